package upload

import (
	"encoding/binary"
	"strings"
)

// sampleTIFF has one directory, behind the header.
func sampleTIFF(width, height uint32) string {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("II*\x00"), 8)
	b = le.AppendUint16(b, 2)
	for i, v := range [...]uint32{width, height} {
		b = le.AppendUint16(b, uint16(256+i)) //nolint:gosec // two of them
		b = le.AppendUint16(b, 4)
		b = le.AppendUint32(le.AppendUint32(b, 1), v)
	}
	return string(le.AppendUint32(b, 0))
}

func sampleBigTIFF(width, height uint64) string {
	le := binary.BigEndian
	b := le.AppendUint64([]byte("MM\x00+\x00\x08\x00\x00"), 16)
	b = le.AppendUint64(b, 2)
	for i, v := range [...]uint64{width, height} {
		b = le.AppendUint16(b, uint16(256+i)) //nolint:gosec // two of them
		b = le.AppendUint16(b, 4)
		b = le.AppendUint64(b, 1)
		b = append(le.AppendUint32(b, uint32(v)), 0, 0, 0, 0) //nolint:gosec // small
	}
	return string(le.AppendUint64(b, 0))
}

// sampleOLE is a compound file whose two sectors of text stand in the wrong order if
// apart, so that what begins at the offset is cut in two.
func sampleOLE(offset int, apart bool) string {
	const free, end, table = 0xffffffff, 0xfffffffe, 0xfffffffd
	le := binary.LittleEndian
	header := make([]byte, 512)
	copy(header, oleMagic)
	le.PutUint16(header[26:], 3)
	le.PutUint16(header[28:], 0xfffe)
	le.PutUint16(header[30:], 9)
	for i := 76; i < 512; i += 4 {
		le.PutUint32(header[i:], free)
	}
	le.PutUint32(header[76:], 3)
	text := strings.Repeat("\xee", offset) + "\x13 DDEAUTO c:\\cmd"
	text += strings.Repeat("\xee", 1024-len(text))
	next := [...]uint32{1, end, end, table}
	sectors := []string{text[:512], text[512:], strings.Repeat("\xdd", 512)}
	if apart {
		next = [...]uint32{end, end, 0, table}
		sectors = []string{text[512:], strings.Repeat("\xdd", 512), text[:512]}
	}
	fat := make([]byte, 512)
	for i := range 128 {
		le.PutUint32(fat[i*4:], free)
	}
	for i, v := range next {
		le.PutUint32(fat[i*4:], v)
	}
	return string(header) + strings.Join(sectors, "") + string(fat)
}
