//go:build wasip1 && !nogrpc

package main

import "unsafe"

//go:wasmimport env proxy_grpc_stream
func proxyGRPCStream(target *byte, targetSize int32, service *byte, serviceSize int32, method *byte, methodSize int32,
	metadata *byte, metadataSize int32, token *uint32) uint32

//go:wasmimport env proxy_grpc_send
func proxyGRPCSend(token uint32, message *byte, size int32, endOfStream uint32) uint32

//go:wasmimport env proxy_grpc_cancel
func proxyGRPCCancel(token uint32) uint32

func hostStream(target []byte, service, method string) (token uint32, err error) {
	status := proxyGRPCStream(unsafe.SliceData(target), int32(len(target)), unsafe.StringData(service), int32(len(service)),
		unsafe.StringData(method), int32(len(method)), nil, 0, &token)
	return token, failed("open a stream to the scan service", status)
}

func hostSend(token uint32, message []byte) error {
	return failed("send to the scan service", proxyGRPCSend(token, unsafe.SliceData(message), int32(len(message)), 0))
}

// hostEndStream resets the stream: what is under way is of no use any more.
func hostEndStream(token uint32) { proxyGRPCCancel(token) }
