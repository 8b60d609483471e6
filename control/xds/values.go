package xds

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func seconds(n int) *durationpb.Duration           { return durationpb.New(time.Duration(n) * time.Second) }
func millis(n int) *durationpb.Duration            { return durationpb.New(time.Duration(n) * time.Millisecond) }
func uint32Value(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }
func yes() *wrapperspb.BoolValue                   { return wrapperspb.Bool(true) }

// unixScheme marks an address that is a socket's path.
const unixScheme = "unix://"

// address reads host:port or unix:///path.
func address(s string) (*corev3.Address, error) {
	if path, ok := strings.CutPrefix(s, unixScheme); ok {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}, nil
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w: write host:port", s, err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("address %q: the port is not a number from 0 to 65535", s)
	}
	return socketAddress(host, uint32(port)), nil
}

func socketAddress(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// listenAddress is an address to bind: Envoy wants it as a number.
func listenAddress(s string) (*corev3.Address, error) {
	a, err := address(s)
	if err != nil {
		return nil, err
	}
	socket := a.GetSocketAddress()
	if socket == nil {
		return a, nil
	}
	switch {
	case socket.GetAddress() == "":
		socket.Address = "0.0.0.0"
	case socket.GetAddress() == "localhost":
		socket.Address = "127.0.0.1"
	case net.ParseIP(socket.GetAddress()) == nil:
		return nil, fmt.Errorf("address %q: Envoy listens on an IP address, not on a name", s)
	}
	return a, nil
}

// numeric says whether an address needs no DNS.
func numeric(a *corev3.Address) bool {
	return a.GetPipe() != nil || net.ParseIP(a.GetSocketAddress().GetAddress()) != nil
}
