//go:build wasip1

package main

import (
	"errors"
	"fmt"
	"unsafe"
)

// The calls of proxy-wasm ABI 0.2 that the filter makes. The host writes an
// answer into memory that it asks for with proxy_on_memory_allocate in the midst
// of the call; landing says where that is, so that a stream's buffers are used
// again instead of new ones. A Wasm VM has one thread: there is one landing.

//go:wasmimport env proxy_log
func proxyLog(level uint32, text *byte, size int32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(buffer uint32, start, size int32, data unsafe.Pointer, got *int32) uint32

//go:wasmimport env proxy_set_buffer_bytes
func proxySetBufferBytes(buffer uint32, start, size int32, data *byte, dataSize int32) uint32

//go:wasmimport env proxy_set_tick_period_milliseconds
func proxySetTickPeriodMilliseconds(period uint32) uint32

//go:wasmimport env proxy_set_effective_context
func proxySetEffectiveContext(id uint32) uint32

//go:wasmimport env proxy_continue_stream
func proxyContinueStream(kind uint32) uint32

//go:wasmimport env proxy_get_header_map_pairs
func proxyGetHeaderMapPairs(kind uint32, data unsafe.Pointer, got *int32) uint32

//go:wasmimport env proxy_set_header_map_pairs
func proxySetHeaderMapPairs(kind uint32, data *byte, size int32) uint32

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeaderMapValue(kind uint32, name *byte, nameSize int32, value *byte, valueSize int32) uint32

//go:wasmimport env proxy_replace_header_map_value
func proxyReplaceHeaderMapValue(kind uint32, name *byte, nameSize int32, value *byte, valueSize int32) uint32

//go:wasmimport env proxy_remove_header_map_value
func proxyRemoveHeaderMapValue(kind uint32, name *byte, nameSize int32) uint32

//go:wasmimport env proxy_get_property
func proxyGetProperty(path *byte, pathSize int32, data unsafe.Pointer, got *int32) uint32

//go:wasmimport env proxy_set_property
func proxySetProperty(path *byte, pathSize int32, value *byte, valueSize int32) uint32

//go:wasmimport env proxy_send_local_response
func proxySendLocalResponse(status uint32, details *byte, detailsSize int32, body *byte, bodySize int32,
	headers *byte, headersSize int32, grpc int32) uint32

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name *byte, nameSize int32, id *uint32) uint32

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, delta int64) uint32

const (
	metricGauge = 1

	bufferGRPC          = 5
	bufferRequestBody   = 0
	bufferConfiguration = 7
)

// answer is where the host says what it wrote.
type answer struct {
	data    unsafe.Pointer
	size    int32
	landing *[]byte
	body    []byte // of any stream: it is read and forgotten within a callback
}

var host answer //nolint:gochecknoglobals // the host's side of the one thread

func allocate(size uint32) *byte {
	landing := host.landing
	if landing == nil {
		return unsafe.SliceData(make([]byte, max(size, 1)))
	}
	if uint32(cap(*landing)) < size || cap(*landing) == 0 {
		enlarge(landing, size)
	}
	*landing = (*landing)[:max(size, 1)]
	return unsafe.SliceData(*landing)
}

//go:noinline
func enlarge(landing *[]byte, size uint32) { *landing = make([]byte, max(size+size/2, 64)) }

// expect prepares for an answer into the given memory.
func expect(into *[]byte) { host.data, host.size, host.landing = nil, 0, into }

// landed is the answer; it is good until its memory is expected again.
func landed() string {
	host.landing = nil
	if host.data == nil || host.size <= 0 {
		return ""
	}
	return unsafe.String((*byte)(host.data), host.size)
}

func failed(what string, status uint32) error {
	if status == 0 {
		return nil
	}
	return refused(what, status)
}

//go:noinline
func refused(what string, status uint32) error {
	return fmt.Errorf("%s: the host says %d", what, status)
}

func hostLog(level uint32, text string) {
	proxyLog(level, unsafe.StringData(text), int32(len(text)))
}

func hostConfiguration() (string, error) {
	var text []byte
	expect(&text)
	status := proxyGetBufferBytes(bufferConfiguration, 0, 1<<30, unsafe.Pointer(&host.data), &host.size)
	return landed(), failed("read the configuration", status)
}

// hostBody is good until the next one: no stream keeps what it was given.
func hostBody(at, size int) ([]byte, error) {
	expect(&host.body)
	status := proxyGetBufferBytes(bufferRequestBody, int32(at), int32(size), unsafe.Pointer(&host.data), &host.size)
	if got := landed(); status == 0 && len(got) > len(host.body) {
		return nil, errors.New("read the body: the host gave it elsewhere")
	} else if status == 0 {
		return host.body[:len(got)], nil
	}
	return nil, failed("read the body", status)
}

// hostTick has the clock's callback called every so many milliseconds, 0 never.
func hostTick(millis uint32) error {
	return failed("set the clock", proxySetTickPeriodMilliseconds(millis))
}

// hostContinue lets the request of a stream go on that was paused.
func hostContinue(id uint32) error {
	if err := hostTurnTo(id); err != nil {
		return err
	}
	return failed("let a stream go on", proxyContinueStream(0))
}

// hostReplaceBody puts b in the place of the first n bytes of the body.
func hostReplaceBody(n int, b []byte) error {
	return failed("change the body", proxySetBufferBytes(bufferRequestBody, 0, int32(n), unsafe.SliceData(b), int32(len(b))))
}

// hostAppendBody adds b to the body's end: what begins behind it is added.
func hostAppendBody(b []byte) error {
	return failed("add to the body", proxySetBufferBytes(bufferRequestBody, 1<<30, 0, unsafe.SliceData(b), int32(len(b))))
}

func hostHeaders(kind uint32, into *[]byte) (string, error) {
	expect(into)
	status := proxyGetHeaderMapPairs(kind, unsafe.Pointer(&host.data), &host.size)
	return landed(), failed("read the headers", status)
}

func hostSetHeaders(kind uint32, packed []byte) error {
	return failed("set the headers", proxySetHeaderMapPairs(kind, unsafe.SliceData(packed), int32(len(packed))))
}

func hostReplaceHeader(kind uint32, name, value string) error {
	return failed("set a header", proxyReplaceHeaderMapValue(kind, unsafe.StringData(name), int32(len(name)), unsafe.StringData(value), int32(len(value))))
}

func hostRemoveHeader(kind uint32, name string) error {
	return failed("remove a header", proxyRemoveHeaderMapValue(kind, unsafe.StringData(name), int32(len(name))))
}

// hostDefineGauge returns the number of a gauge, the same for every VM.
func hostDefineGauge(name string) (id uint32, err error) {
	err = failed("define a metric", proxyDefineMetric(metricGauge, unsafe.StringData(name), int32(len(name)), &id))
	return id, err
}

func hostAddTo(metric uint32, delta int64) error {
	return failed("count a metric", proxyIncrementMetric(metric, delta))
}

// hostProperty is empty for what is not there.
func hostProperty(path string, into *[]byte) string {
	expect(into)
	if proxyGetProperty(unsafe.StringData(path), int32(len(path)), unsafe.Pointer(&host.data), &host.size) != 0 {
		host.landing = nil
		return ""
	}
	return landed()
}

func hostSetProperty(path string, value []byte) error {
	return failed("set a property", proxySetProperty(unsafe.StringData(path), int32(len(path)), unsafe.SliceData(value), int32(len(value))))
}

func hostReply(status int, headers, body []byte) error {
	return failed("send the reply", proxySendLocalResponse(uint32(status), nil, 0,
		unsafe.SliceData(body), int32(len(body)), unsafe.SliceData(headers), int32(len(headers)), -1))
}

func hostAddHeader(kind uint32, name, value string) error {
	return failed("add a header", proxyAddHeaderMapValue(kind, unsafe.StringData(name), int32(len(name)), unsafe.StringData(value), int32(len(value))))
}

// hostMessage reads what came; what is larger than any message of the service
// is none.
func hostMessage(size int) ([]byte, error) {
	const most = 1 << 10
	if size > most {
		return nil, errors.New("read from the scan service: a message that is too large")
	}
	var message []byte
	expect(&message)
	status := proxyGetBufferBytes(bufferGRPC, 0, int32(size), unsafe.Pointer(&host.data), &host.size)
	return []byte(landed()), failed("read from the scan service", status)
}

// hostTurnTo makes a request the one that calls are about.
func hostTurnTo(id uint32) error {
	return failed("turn to another request", proxySetEffectiveContext(id))
}
