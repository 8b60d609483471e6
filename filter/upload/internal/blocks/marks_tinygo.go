//go:build tinygo

package blocks

// LLVM turns no loop of Go's into i8x16.bitmask, which gives one bit for each of
// sixteen bytes. These functions do, in C; they are compiled into their callers, call
// nothing, and read the 64 or 16 bytes that a pointer to an array of Go's is of.

/*
typedef unsigned char bytes __attribute__((vector_size(16), aligned(1)));
typedef signed char signs __attribute__((vector_size(16)));
typedef unsigned long long marks;

#define EACH(c) ((bytes){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c})
#define BITS(is) ((marks)(unsigned)__builtin_wasm_bitmask_i8x16((signs)(is)))
#define ALL(f) (BITS(f(q[0])) | BITS(f(q[1])) << 16 | BITS(f(q[2])) << 32 | BITS(f(q[3])) << 48)

static inline marks marksEqual(unsigned long p, unsigned char c) {
	const bytes *q = (const bytes *)p, want = EACH(c);
#define F(x) ((x) == want)
	return ALL(F);
#undef F
}

static inline marks marksAny(unsigned long p, unsigned char c0, unsigned char c1, unsigned char c2, unsigned char c3) {
	const bytes *q = (const bytes *)p, w0 = EACH(c0), w1 = EACH(c1), w2 = EACH(c2), w3 = EACH(c3);
#define F(x) ((x) == w0 | (x) == w1 | (x) == w2 | (x) == w3)
	return ALL(F);
#undef F
}

static inline marks marksWithin(unsigned long p, unsigned char low, unsigned char span) {
	const bytes *q = (const bytes *)p, l = EACH(low), s = EACH(span);
#define F(x) ((x) - l <= s)
	return ALL(F);
#undef F
}

static inline unsigned marksName(unsigned long p) {
	const bytes x = *(const bytes *)p;
	return BITS(((x | EACH(0x20)) - EACH('a') <= EACH('z' - 'a')) | (x - EACH('0') <= EACH(':' - '0')) | (x == EACH('-')));
}

static inline unsigned marksQuoted(unsigned long p, unsigned char quote, unsigned char c0, unsigned char c1, unsigned char c2, unsigned char c3) {
	const bytes x = *(const bytes *)p;
	return BITS(x == EACH(quote)) | BITS(x == EACH(c0) | x == EACH(c1) | x == EACH(c2) | x == EACH(c3)) << 16;
}

static inline unsigned marksSame(unsigned long p, unsigned long q) { return BITS(*(const bytes *)p == *(const bytes *)q); }

// LLVM makes sixteen loads of bytes of Go's reading of a word that it has in a vector.
static inline marks word(unsigned long p, int i) { return ((const struct { marks w; } __attribute__((packed, aligned(1))) *)p)[i].w; }
*/
import "C"

import "unsafe"

func address[T any](p *T) C.ulong { return C.ulong(uintptr(unsafe.Pointer(p))) }

func marks(b *[size]byte, c byte) uint64 { return uint64(C.marksEqual(address(b), C.uchar(c))) }

func marksOf(b *[size]byte, set [4]byte) uint64 {
	return uint64(C.marksAny(address(b), C.uchar(set[0]), C.uchar(set[1]), C.uchar(set[2]), C.uchar(set[3])))
}

func marksIn(b *[size]byte, low, span byte) uint64 {
	return uint64(C.marksWithin(address(b), C.uchar(low), C.uchar(span)))
}

func nameMarks(b *[quarter]byte) uint32 { return uint32(C.marksName(address(b))) }

func quotedMarks(b *[quarter]byte, quote byte, set [4]byte) uint32 {
	return uint32(C.marksQuoted(address(b), C.uchar(quote), C.uchar(set[0]), C.uchar(set[1]), C.uchar(set[2]), C.uchar(set[3])))
}

func sameMarks(a, b *[quarter]byte) uint32 { return uint32(C.marksSame(address(a), address(b))) }

func words2(b *[quarter]byte) (low, high uint64) {
	return uint64(C.word(address(b), 0)), uint64(C.word(address(b), 1))
}
