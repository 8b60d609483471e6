// Package uploadpaths sends uploads through a real Envoy with the filter, by every
// way in which HTTP can carry and end a body, and holds what arrives against what
// was refused: an upstream must never get a complete request that was. Run, which
// tests and `make bench-upload-soak` share, does so many thousand times and
// promises that memory stays flat and no stream is left behind. It is for tests
// alone, and does not look into what the inspector finds: filter/upload does.
package uploadpaths
