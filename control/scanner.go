package control

import (
	"gatehouse/control/policy"
	"gatehouse/control/scan"
)

// useScanner makes the policy's scanner the one that new scans go to.
func (c *control) useScanner(compiled *policy.Compiled) {
	from := compiled.Control.Scanner
	if from == nil {
		_ = c.scans.Use(nil) // never fails
		return
	}
	err := c.scans.Use(&scan.Config{Kind: from.Kind, Address: from.Address, Service: from.Service, MaxScans: from.MaxScans})
	if err != nil { // it was compiled with the policy
		c.o.Log.Error("the scanner stays that of the policy before", "error", err)
	}
}
