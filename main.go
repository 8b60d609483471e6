// Command gatehouse puts the security controls of web applications at the edge.
package main

import (
	"os"

	"gatehouse/control/cli"
)

func main() {
	os.Exit(cli.Main())
}
