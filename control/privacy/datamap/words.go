package datamap

import "slices"

// Basis is a ground on which data may be processed (Art. 6(1)).
type Basis string

// The grounds, in the order of Art. 6(1)(a) to (f).
const (
	Consent             Basis = "consent"
	Contract            Basis = "contract"
	LegalObligation     Basis = "legal_obligation"
	VitalInterests      Basis = "vital_interests"
	PublicTask          Basis = "public_task"
	LegitimateInterests Basis = "legitimate_interests"
)

// Bases are all grounds.
func Bases() []string {
	return []string{
		string(Consent), string(Contract), string(LegalObligation), string(VitalInterests), string(PublicTask), string(LegitimateInterests),
	}
}

// Portable says whether a person may take along what is processed on this
// ground (Art. 20(1)(a)).
func (b Basis) Portable() bool { return b == Consent || b == Contract }

// special are the categories of Art. 9(1), and of Art. 10.
var special = []string{
	"racial_or_ethnic_origin", "political_opinions", "religious_or_philosophical_beliefs", "trade_union_membership",
	"genetic", "biometric", "health", "sex_life_or_orientation", "criminal",
}

// Categories of data, the special ones last.
func Categories() []string {
	plain := []string{
		"identity", "identifier", "contact", "address", "account", "credential", "financial", "transaction", "communication",
		"content", "preference", "behaviour", "location", "device", "image", "demographic", "employment", "education", "other",
	}
	return append(plain, special...)
}

// IsSpecial says whether a category may be processed only under a condition of
// Art. 9(2), or as Art. 10 allows.
func IsSpecial(category string) bool { return slices.Contains(special, category) }

// Conditions are those of Art. 9(2)(a) to (j), and what Art. 10 demands.
func Conditions() []string {
	return []string{
		"explicit_consent", "employment_law", "vital_interests", "non_profit_body", "made_public", "legal_claims",
		"substantial_public_interest", "health_care", "public_health", "research", "official_authority",
	}
}

// Source is where data come from.
type Source string

// The sources. What a person's use of a service shows counts as provided by
// them (guidelines on Art. 20, WP 242); what was concluded from it does not.
const (
	FromPerson Source = "person"
	Observed   Source = "observed"
	Derived    Source = "derived"
	ThirdParty Source = "third_party"
)

// Sources are all of them.
func Sources() []string {
	return []string{string(FromPerson), string(Observed), string(Derived), string(ThirdParty)}
}

// Provided says whether Art. 20(1) takes it as provided by the person.
func (s Source) Provided() bool { return s == FromPerson || s == Observed }

// Kind of a system.
type Kind string

// The kinds.
const (
	PostgreSQL Kind = "postgres"
	OpenDSR    Kind = "opendsr"
	Gatehouse  Kind = "gatehouse" // this program's own data, for the record of processing
)

// Kinds are all of them.
func Kinds() []string { return []string{string(PostgreSQL), string(OpenDSR), string(Gatehouse)} }
