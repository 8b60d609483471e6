package upload

import (
	"bytes"

	"gatehouse/filter/upload/internal/blocks"
)

// objectsLook tells by its beginning whether a decoded stream is one of objects
// (ISO 32000-2, 7.5.7): pairs of numbers, then an object. The contents of a page
// begin with numbers as well, but then comes an operator.
type objectsLook struct {
	numbers int
	digits  bool // in a number
	comment bool
}

type lookResult uint8

const (
	lookMore lookResult = iota
	lookObjects
	lookOther
)

// write returns how many bytes were looked at until it is clear what it is.
func (l *objectsLook) write(b []byte) (int, lookResult) {
	for i, c := range b {
		switch {
		case l.comment:
			l.comment = c != '\n' && c != '\r'
		case c >= '0' && c <= '9':
			if !l.digits {
				l.numbers++
			}
			l.digits = true
		case isPDFSpace(c):
			l.digits = false
		case c == '%':
			l.digits, l.comment = false, true
		case l.numbers >= 2 && beginsObject(c):
			return i, lookObjects
		default:
			return i, lookOther
		}
	}
	return len(b), lookMore
}

// beginsObject tells what an object of a stream can begin with besides a number: a
// dictionary, an array, a string, a name, true, false and null.
func beginsObject(c byte) bool {
	return c == '<' || c == '[' || c == '(' || c == '/' || c == 't' || c == 'f' || c == 'n'
}

// pdfFilter is a filter by what its data look like or its name says.
type pdfFilter uint8

const (
	filterNone pdfFilter = iota
	filterFlate
	filterLZW
	filterHex
	filter85
	filterRun
	filterOther // pictures and ciphers
)

// filterNamed reads the names of filters, also the short ones (7.4, table 92).
func filterNamed(name []byte) pdfFilter {
	switch blocks.String(name) {
	case "FlateDecode", "Fl":
		return filterFlate
	case "LZWDecode", "LZW":
		return filterLZW
	case "ASCIIHexDecode", "AHx":
		return filterHex
	case "ASCII85Decode", "A85":
		return filter85
	case "RunLengthDecode", "RL":
		return filterRun
	case "DCTDecode", "DCT", "JPXDecode", "CCITTFaxDecode", "CCF", "JBIG2Decode":
		return filterOther
	}
	return filterNone
}

// pdfGuess is how many bytes a filter is guessed by.
const pdfGuess = 10

// guessFilter tells by the first bytes what must be undone to come to objects. The
// dictionary's word counts where the bytes leave a doubt: it could be made to be
// misread, but then there is no word, and the bytes alone decide.
func guessFilter(head []byte, said pdfFilter) pdfFilter {
	switch {
	case len(head) >= 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 && head[1]&0x20 == 0:
		return filterFlate
	case len(head) >= 2 && head[0] == 0x80 && (head[1]&0xfc == 0x0c || said == filterLZW):
		return filterLZW
	case said == filterHex && plausible(&asciiHex{}, head), said == filter85 && plausible(&ascii85{}, head), said == filterRun:
		return said
	case said != filterNone || len(head) < pdfGuess:
		return filterNone
	}
	switch {
	case hasPDFSpace(head): // numbers as they stand
	case promises(&asciiHex{}, head):
		return filterHex
	case promises(&ascii85{}, head):
		return filter85
	}
	if n := int(head[0]); n < 128 && n > 2 && !areNumbers(head[:1]) && areNumbers(head[1:min(len(head), n+2)]) {
		return filterRun
	}
	return filterNone
}

// promises wants what a stream of objects begins with, or another filter does, of a
// head without spaces.
func promises(d pdfDecoder, head []byte) bool {
	var decoded []byte
	_, _, err := d.write(head, func(b []byte) *Refusal {
		decoded = append(decoded, b...)
		return nil
	})
	return err == nil && len(decoded) >= 4 && (areNumbers(decoded) || guessFilter(decoded[:2], filterNone) != filterNone)
}

// looksPredicted tells the beginning of a text of objects that a predictor has been
// at: how the row was made, then numbers.
func looksPredicted(head []byte) bool {
	return len(head) >= pdfGuess && head[0] <= 4 && areNumbers(head[1:]) && bytes.IndexByte(head[1:], 0) < 0 && bytes.IndexByte(head, ' ') > 0 &&
		bytes.ContainsAny(head, "0123456789") // a dark picture has none
}

// plausible tells whether what looks like objects as it stands can be data of a filter:
// a word that was meant for another stream must not hide them.
func plausible(d pdfDecoder, head []byte) bool {
	n := 0
	for n < len(head) && areNumbers(head[n:n+1]) {
		n++
	}
	if n < 4 || bytes.IndexByte(head[:n], ' ') < 0 {
		return true
	}
	var decoded []byte
	_, _, err := d.write(head, func(b []byte) *Refusal {
		decoded = append(decoded, b...)
		return nil
	})
	return err == nil && len(decoded) > 0 && (areNumbers(decoded) || guessFilter(decoded[:min(2, len(decoded))], filterNone) != filterNone)
}

func hasPDFSpace(b []byte) bool {
	for _, c := range b {
		if isPDFSpace(c) {
			return true
		}
	}
	return false
}

func areNumbers(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && !isPDFSpace(c) {
			return false
		}
	}
	return true
}
