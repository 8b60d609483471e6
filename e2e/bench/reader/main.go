//go:build wasip1

// Command reader is a proxy-wasm module that does what any judge of uploads has to do and
// no judging: it holds the request's headers, reads them and each byte of the body, and
// gives the host a verdict to log. The bench puts it beside the filter to tell what of an
// upload's cost is the host's and the ABI's, which no module can be without. It promises
// nothing about what it reads, and keeps one request from another only as far as the bench
// needs it: at most 256 at a time.
package main

import "unsafe"

func main() {}

//go:wasmimport env proxy_get_header_map_pairs
func getHeaderMapPairs(kind uint32, data unsafe.Pointer, got *int32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func getBufferBytes(buffer uint32, start, size int32, data unsafe.Pointer, got *int32) uint32

//go:wasmimport env proxy_set_property
func setProperty(path *byte, pathSize int32, value *byte, valueSize int32) uint32

const (
	goOn  = 0
	pause = 1

	gathered = 128 << 10 // as control renders it for the filter
	piece    = 64 << 10  // as the filter reads
	path     = "gatehouse.verdict"
)

// A VM has one thread, and the host writes where it is told to in the midst of a call.
//
//nolint:gochecknoglobals // the module's memory
var (
	area    [piece]byte
	verdict [128]byte // as long as the filter's
	begun   [256]bool // whether something of a request has gone on
	data    unsafe.Pointer
	got     int32
	sum     uint64
)

//go:wasmexport proxy_abi_version_0_2_0
func abiVersion() {}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(size uint32) *byte {
	if size > piece {
		return nil
	}
	return &area[0]
}

//go:wasmexport proxy_on_vm_start
func onVMStart(uint32, uint32) uint32 { return 1 }

//go:wasmexport proxy_on_configure
func onConfigure(uint32, uint32) uint32 { return 1 }

//go:wasmexport proxy_on_context_create
func onContextCreate(id, _ uint32) { begun[id%256] = false }

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(_, _, endOfStream uint32) uint32 {
	getHeaderMapPairs(0, unsafe.Pointer(&data), &got)
	if endOfStream != 0 {
		return goOn
	}
	return pause
}

//go:wasmexport proxy_on_request_body
func onRequestBody(id, size, endOfStream uint32) uint32 {
	if endOfStream == 0 && size < gathered && !begun[id%256] {
		return pause
	}
	begun[id%256] = true
	for at := uint32(0); at < size; at += piece {
		getBufferBytes(0, int32(at), int32(min(piece, size-at)), unsafe.Pointer(&data), &got)
		for i := int32(0); i+8 <= got; i += 8 {
			sum += *(*uint64)(unsafe.Pointer(&area[i])) // #nosec G103 -- inside area
		}
	}
	return goOn
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(uint32, uint32, uint32) uint32 {
	verdict[0] = byte(sum) // so that the reading is not left out
	setProperty(unsafe.StringData(path), int32(len(path)), &verdict[0], int32(len(verdict)))
	return goOn
}

//go:wasmexport proxy_on_delete
func onDelete(uint32) {}
