package totp

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the margin around a QR code in modules (ISO/IEC 18004 section 6.3.8).
const quiet = 4

// SVG draws text as a QR code, black on white whatever the page's colours are.
// The picture is made of numbers alone: nothing of text is in it as text.
func SVG(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	side := code.Size + 2*quiet
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="240" height="240" role="img" aria-label="QR code">`, side, side)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dh-%dz"/><path fill="#000" d="`, side, side, side)
	for y := range code.Size {
		for x := 0; x < code.Size; {
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > start {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", start+quiet, y+quiet, x-start, x-start)
			} else {
				x++
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}
