package upload

import "encoding/binary"

// oleAlign is where streams of a compound file may begin: short ones lie in
// sectors of that size (MS-CFB 2.2).
const oleAlign = 64

// oleEncrypted tells the beginning of a stream that says its document is encrypted.
// Excel opens some of those without asking, by a password that is part of it
// (VelvetSweatshop).
func oleEncrypted(b []byte) bool {
	le := binary.LittleEndian
	switch {
	case b[0] == 0x09 && b[1] == 0x08: // a workbook's BOF (MS-XLS 2.4.21)
		for i := 0; i+4 <= len(b); i += 4 + int(le.Uint16(b[i+2:])) {
			if le.Uint16(b[i:]) == 0x2f { // FilePass (2.4.117)
				return true
			}
		}
	case (b[0] == 0xec || b[0] == 0xdc) && b[1] == 0xa5: // the FibBase of Word (MS-DOC 2.5.2)
		version := le.Uint16(b[2:])
		return (version == 0xc1 || version > 100 && version < 108) && b[11]&1 != 0 // of Word 97 and later, and of Word 6 and 95
	case b[0] == 0 && b[1] == 0 && b[2] == 0xf6 && b[3] == 0x0f: // CurrentUserAtom (MS-PPT 2.3.2)
		return le.Uint32(b[12:]) == 0xf3d1c4df
	}
	return false
}
