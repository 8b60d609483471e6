//go:build !tinygo

package blocks

const vectors = false
