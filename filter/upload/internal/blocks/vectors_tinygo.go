//go:build tinygo

package blocks

const vectors = true
