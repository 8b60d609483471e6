package datamap

import (
	"slices"
	"time"

	"gatehouse/control/privacy/connector"
)

// Map is the whole data map. It is shared between goroutines and must not be
// changed.
type Map struct {
	Controller Controller         `json:"controller,omitzero"`
	Purposes   map[string]Purpose `json:"purposes,omitempty"`
	// ClientData is how long addresses and the like are readable that belong to
	// no known person; 0 leaves the default.
	ClientData time.Duration `json:"client_data,omitempty"`
	Systems    []System      `json:"systems,omitempty"` // in the order of the file
}

// IsZero says whether nothing is mapped.
func (m Map) IsZero() bool {
	return m.Controller == (Controller{}) && len(m.Purposes) == 0 && m.ClientData == 0 && len(m.Systems) == 0
}

// Controller is who answers for the processing (Art. 30(1)(a)).
type Controller struct {
	Name    string `json:"name,omitempty"`
	Contact string `json:"contact,omitempty"`
	DPO     string `json:"dpo,omitempty" doc:"Contact of the data-protection officer."`
}

// Purpose is why data are processed.
type Purpose struct {
	Basis     Basis  `json:"basis"`
	Condition string `json:"condition,omitempty"` // of Art. 9(2), for special categories
	// NoticeVersion is the version of the notice that people consent to now.
	NoticeVersion string `json:"notice_version,omitempty"`
	GPC           bool   `json:"gpc,omitempty"` // Global Privacy Control objects to it
	Retention     Period `json:"retention,omitzero"`
	// What else Art. 30(1) asks for.
	Persons    []string `json:"persons,omitempty"`
	Recipients []string `json:"recipients,omitempty"`
	Transfers  []string `json:"transfers,omitempty"`
	Measures   []string `json:"measures,omitempty"`
}

// System holds data of people.
type System struct {
	Name        string       `json:"name"`
	Kind        Kind         `json:"kind"`
	Database    Database     `json:"database,omitzero"`
	Processor   Processor    `json:"processor,omitzero"`
	Collections []Collection `json:"collections,omitempty"` // in the order of the file
	Recipients  []string     `json:"recipients,omitempty"`
}

// Database says how a PostgreSQL is reached and used.
type Database struct {
	URLFile string        `json:"url_file"` // holds postgres://...
	Schema  string        `json:"schema"`
	Timeout time.Duration `json:"timeout"` // of one statement
	// KeysOnly leaves out of the read-back after an erasure the search for the
	// person's identities in every text of the mapped tables.
	KeysOnly bool `json:"keys_only,omitempty"`
}

// Processor says how a processor that speaks OpenDSR is reached.
type Processor struct {
	URL       string `json:"url"`    // https://dsr.example.com, with or without /v1
	Domain    string `json:"domain"` // that its certificate is issued for
	TokenFile string `json:"token_file,omitempty"`
	// CertificateFile holds the certificate that answers are signed with (PEM);
	// empty takes the one that the processor names, if a known authority has
	// issued it.
	CertificateFile string `json:"certificate_file,omitempty"`
	// CAFile holds the authorities that are trusted, for TLS and certificates;
	// empty takes the system's.
	CAFile      string `json:"ca_file,omitempty"`
	CallbackURL string `json:"callback_url,omitempty"` // where we are told of a change
	// Identities are those that the processor is told, by our type.
	Identities map[string]ProcessorIdentity `json:"identities"`
	Deadline   Period                       `json:"deadline"` // for one request
	// Extensions are what the processor can do beyond the standard:
	// "rectification", "restriction".
	Extensions   []string `json:"extensions,omitempty"`
	ResultsHosts []string `json:"results_hosts,omitempty"` // besides its own
}

// ProcessorIdentity is how a processor wants an identity.
type ProcessorIdentity struct {
	Type   string `json:"type"`   // "email", "controller_customer_id", ...
	Format string `json:"format"` // raw, sha1, md5 or sha256
}

// Collection is a table, or what corresponds to it. Which of its rows are a
// person's, Key says or, through the rows of another collection, Parent.
type Collection struct {
	Name   string      `json:"name"`
	Table  string      `json:"table,omitempty"`
	Key    *SubjectKey `json:"subject_key,omitempty"`
	Parent *Parent     `json:"parent,omitempty"`
	// Restriction is a column that is true while the data may only be kept
	// (Art. 18); empty where there is none.
	Restriction string  `json:"restriction_column,omitempty"`
	Fields      []Field `json:"fields"` // in the order of the file
}

// SubjectKey is a column that holds an identity.
type SubjectKey struct {
	Column   string `json:"column"`
	Identity string `json:"identity"` // its type: "customer_id"
}

// Parent says that a row belongs to whom the row of another collection belongs
// to whose column References has the value of Column here.
type Parent struct {
	Collection string `json:"collection"`
	Column     string `json:"column"`
	References string `json:"references"`
}

// Field is a column, or what corresponds to it.
type Field struct {
	Name       string           `json:"name"`
	Category   string           `json:"category"`
	Purposes   []string         `json:"purposes"`
	Retention  Period           `json:"retention,omitzero"`
	OnErasure  connector.Action `json:"on_erasure"` // delete, null, mask, pseudonymise or keep
	KeepReason string           `json:"keep_reason,omitempty"`
	Mask       string           `json:"mask,omitempty"` // what is written over it
	Source     Source           `json:"source"`
}

// Deletes says whether an erasure takes the whole row. Either all fields of a
// collection are deleted, or none.
func (c Collection) Deletes() bool {
	return !slices.ContainsFunc(c.Fields, func(f Field) bool { return f.OnErasure != connector.Delete })
}

// Field finds a field by its name.
func (c Collection) Field(name string) (Field, bool) {
	i := slices.IndexFunc(c.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return c.Fields[i], true
}

// Collection finds a collection by its name.
func (s System) Collection(name string) (Collection, bool) {
	i := slices.IndexFunc(s.Collections, func(c Collection) bool { return c.Name == name })
	if i < 0 {
		return Collection{}, false
	}
	return s.Collections[i], true
}

// System finds a system by its name.
func (m Map) System(name string) (System, bool) {
	i := slices.IndexFunc(m.Systems, func(s System) bool { return s.Name == name })
	if i < 0 {
		return System{}, false
	}
	return m.Systems[i], true
}
