package throttle

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// DeviceCookie tells a browser from which the person has signed in before. It
	// proves nothing else: it opens no session and replaces no factor.
	DeviceCookie = "__Host-gatehouse-device"
	// DeviceLife is how long a device stays known without signing in.
	DeviceLife = 180 * 24 * time.Hour
	deviceID   = 16
)

// NewDevice is the cookie of a device from which the account has just signed in.
// known is the id of the one that it brought, or empty.
func (t *Throttle) NewDevice(account, known string) *http.Cookie {
	id := known
	if id == "" {
		raw := make([]byte, deviceID)
		_, _ = rand.Read(raw) // never fails: it ends the process instead
		id = base64.RawURLEncoding.EncodeToString(raw)
	}
	until := strconv.FormatInt(t.now().Add(DeviceLife).Unix(), 10)
	return &http.Cookie{
		Name: DeviceCookie, Value: "d1." + id + "." + until + "." + t.sign(account, id, until), Path: "/",
		MaxAge: int(DeviceLife / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

// Device is the id in the request's cookie if it was given to this account;
// else it is empty. Of several cookies none counts.
func (t *Throttle) Device(r *http.Request, account string) string {
	cookies := r.CookiesNamed(DeviceCookie)
	if len(cookies) != 1 {
		return ""
	}
	parts := strings.Split(cookies[0].Value, ".")
	if len(parts) != 4 || parts[0] != "d1" {
		return ""
	}
	id, until, signature := parts[1], parts[2], parts[3]
	if !hmac.Equal([]byte(signature), []byte(t.sign(account, id, until))) {
		return ""
	}
	if end, err := strconv.ParseInt(until, 10, 64); err != nil || t.now().Unix() >= end {
		return ""
	}
	return id
}

func (t *Throttle) sign(account, id, until string) string {
	return base64.RawURLEncoding.EncodeToString(t.mac("device cookie", account, id, until))
}
