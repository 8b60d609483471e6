// Package render writes a compiled policy as files that run without a control
// plane: today a whole static configuration for Envoy.
//
// It promises that Envoy is told by the file exactly what control would tell it
// over xDS, because both are made by control/xds, and that the same policy
// gives the same bytes. What it does not do is put secrets into files: the
// certificate is named by its path.
package render
