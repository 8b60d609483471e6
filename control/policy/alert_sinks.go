package policy

import (
	"cmp"
	"net"
	"regexp"
	"strconv"

	"gatehouse/control/alert"
)

// AlertSink is one that is told. A relative file name is relative to
// gatehouse.yaml's folder; Load has already joined the two.
type AlertSink struct {
	Name string `json:"name"`
	Kind string `json:"kind"`          // webhook, alertmanager or smtp
	URL  string `json:"url,omitempty"` // of the first two
	// SecretFile holds the key that signs; of a webhook only.
	SecretFile string `json:"secret_file,omitempty"`
	// Mail is of smtp only, and so is the file of its password.
	Mail         *alert.MailSettings `json:"mail,omitempty"`
	PasswordFile string              `json:"password_file,omitempty"`
}

// The kinds of sinks.
const (
	SinkWebhook      = "webhook"
	SinkAlertmanager = "alertmanager"
	SinkSMTP         = "smtp"
)

type rawAlertSink struct {
	name, kind, url, secretFile                 value[string]
	allowHTTP                                   value[bool]
	host, tls, username, password, from, caFile value[string]
	port                                        value[int64]
	to                                          value[[]value[string]]
}

var hostPattern = regexp.MustCompile(`^(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$`)

// hostName says whether a text is the name of a host (RFC 1123 section 2.1).
func hostName(text string) bool { return len(text) <= 253 && hostPattern.MatchString(text) }

// files are the names of files that the sink reads.
func (s *AlertSink) files() []*string {
	names := []*string{&s.SecretFile, &s.PasswordFile}
	if s.Mail != nil {
		names = append(names, &s.Mail.CAFile)
	}
	return names
}

func alertSinkKind() kind[rawAlertSink] {
	return object(
		required(key("name", "name: on-call", text(), func(s *rawAlertSink) *value[string] { return &s.name })),
		required(key("kind", "webhook, alertmanager or smtp", word(SinkWebhook, SinkAlertmanager, SinkSMTP), func(s *rawAlertSink) *value[string] { return &s.kind })),
		key("url", "webhook, alertmanager: https://hooks.example.com/gatehouse, or Alertmanager's address", text(), func(s *rawAlertSink) *value[string] { return &s.url }),
		key("secret_file", "webhook: file that holds the key that signs", text(), func(s *rawAlertSink) *value[string] { return &s.secretFile }),
		key("allow_http", "whether the url may be http:// beyond loopback", boolean(), func(s *rawAlertSink) *value[bool] { return &s.allowHTTP }),
		key("host", "smtp: the mail server, mail.example.com", text(), func(s *rawAlertSink) *value[string] { return &s.host }),
		key("port", "smtp: 587 with starttls, 465 with implicit, 25 with none, unless told", integer(1, 65535), func(s *rawAlertSink) *value[int64] { return &s.port }),
		key("tls", "smtp: starttls (unless told), implicit, or none to a loopback address", word(alert.StartTLS, alert.ImplicitTLS, alert.NoTLS),
			func(s *rawAlertSink) *value[string] { return &s.tls }),
		key("username", "smtp: who signs in; nobody unless told", text(), func(s *rawAlertSink) *value[string] { return &s.username }),
		key("password_file", "smtp: file that holds the password of username", text(), func(s *rawAlertSink) *value[string] { return &s.password }),
		key("from", "smtp: Gatehouse <gatehouse@example.com>", text(), func(s *rawAlertSink) *value[string] { return &s.from }),
		key("to", "smtp: [on-call@example.com]", list(text()), func(s *rawAlertSink) *value[[]value[string]] { return &s.to }),
		key("ca_file", "smtp: file with the authorities, in PEM, that vouch for the server; the system's unless told", text(),
			func(s *rawAlertSink) *value[string] { return &s.caFile }),
	)
}

func (k *compiler) sink(raw rawAlertSink, at pos, seen map[string]bool) {
	if !raw.name.set || !raw.kind.set {
		return // said already
	}
	checkName(k.d, raw.name.at, "a sink", raw.name.v)
	if seen[raw.name.v] {
		k.d.fail(raw.name.at, "two sinks of one name", raw.name.v, "give each a name of its own")
	}
	seen[raw.name.v] = true
	out := AlertSink{Name: raw.name.v, Kind: raw.kind.v}
	if raw.kind.v == SinkSMTP {
		k.strangers(raw.kind.v, map[string]pos{"url": placeOf(raw.url), "secret_file": placeOf(raw.secretFile), "allow_http": placeOf(raw.allowHTTP)})
		out.Mail, out.PasswordFile = k.mail(raw, at), k.file(raw.password)
	} else {
		k.strangers(raw.kind.v, map[string]pos{
			"host": placeOf(raw.host), "port": placeOf(raw.port), "tls": placeOf(raw.tls), "username": placeOf(raw.username),
			"password_file": placeOf(raw.password), "from": placeOf(raw.from), "to": placeOf(raw.to), "ca_file": placeOf(raw.caFile),
		})
		out.URL, out.SecretFile = k.posted(raw, at), k.file(raw.secretFile)
	}
	k.out.Alerts.Sinks = append(k.out.Alerts.Sinks, out)
}

// placeOf is where a value was written; no place if it was not.
func placeOf[V any](v value[V]) pos {
	if !v.set {
		return pos{}
	}
	return v.at
}

// strangers reports keys that belong to another kind of sink.
func (k *compiler) strangers(kind string, places map[string]pos) {
	for name, at := range places {
		if at.path != "" {
			k.d.fail(at, "not a key of a sink of kind "+kind, name, "remove the key: it would do nothing")
		}
	}
}

// missing reports a key that this kind of sink needs; it is false if it is there.
func (k *compiler) missing(set bool, at pos, name, example string) bool {
	if !set && !k.d.blamed(at.path+"."+name) {
		k.d.fail(at, "a key is missing", name, example)
	}
	return !set
}

// posted is the address of a webhook or an Alertmanager.
func (k *compiler) posted(raw rawAlertSink, at pos) string {
	if k.missing(raw.url.set, at, "url", "https://hooks.example.com/gatehouse, or Alertmanager's address") {
		return ""
	}
	if reason := alert.CheckURL(raw.url.v, raw.allowHTTP.v); reason != "" {
		k.d.fail(raw.url.at, reason, withoutUserinfo(raw.url.v), "write https://host/path")
	}
	switch {
	case raw.kind.v == SinkWebhook && !raw.secretFile.set:
		k.d.fail(raw.kind.at, "a webhook without secret_file could be sent by anybody", raw.name.v, "name the file of a key: secret_file: secrets/webhook")
	case raw.kind.v != SinkWebhook && raw.secretFile.set:
		k.d.fail(raw.secretFile.at, "only a webhook is signed", raw.secretFile.v, "remove the key: it would do nothing")
	}
	return raw.url.v
}

func (k *compiler) mail(raw rawAlertSink, at pos) *alert.MailSettings {
	out := &alert.MailSettings{
		Host: raw.host.v, TLS: cmp.Or(raw.tls.v, alert.StartTLS), Username: raw.username.v, From: raw.from.v, CAFile: k.file(raw.caFile),
	}
	out.Port = int(cmp.Or(raw.port.v, int64(alert.DefaultMailPort(out.TLS))))
	if !k.missing(raw.host.set, at, "host", "host: mail.example.com") {
		k.mailHost(raw, out.TLS)
	}
	if !k.missing(raw.from.set, at, "from", "from: Gatehouse <gatehouse@example.com>") {
		k.mailAddress(raw.from)
	}
	if !k.missing(raw.to.set, at, "to", "to: [on-call@example.com]") {
		out.To = k.recipients(raw.to)
	}
	switch {
	case raw.username.set && !raw.password.set:
		k.d.fail(raw.username.at, "a user without a password", raw.username.v, "name the file of one: password_file: secrets/mail")
	case raw.password.set && !raw.username.set:
		k.d.fail(raw.password.at, "a password of nobody", raw.password.v, "say whose it is: username: gatehouse")
	}
	return out
}

func (k *compiler) mailHost(raw rawAlertSink, encryption string) {
	host := raw.host.v
	if _, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			k.d.fail(raw.host.at, "has a port", host, "write it apart: port: "+port)
			return
		}
	}
	if !hostName(host) && net.ParseIP(host) == nil {
		k.d.fail(raw.host.at, "is no host name and no IP address", host, "write mail.example.com")
		return
	}
	if encryption == alert.NoTLS && !alert.Loopback(host) {
		k.d.fail(raw.tls.at, "mail would cross the network in clear", host, "write tls: starttls or tls: implicit")
	}
}

func (k *compiler) mailAddress(v value[string]) {
	if _, err := alert.ParseMailAddress(v.v); err != nil {
		k.d.fail(v.at, err.Error(), v.v, "")
	}
}

func (k *compiler) recipients(list value[[]value[string]]) []string {
	if n := len(list.v); n == 0 || n > alert.MaxRecipients {
		k.d.fail(list.at, "must have 1 to "+strconv.Itoa(alert.MaxRecipients)+" addresses", strconv.Itoa(n), "write to: [on-call@example.com], a list of the mail server's for more")
	}
	out := make([]string, len(list.v))
	for i, to := range list.v {
		k.mailAddress(to)
		out[i] = to.v
	}
	return out
}
