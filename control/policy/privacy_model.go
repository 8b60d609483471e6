package policy

import (
	"time"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// The data map as it was written; see privacy.go for its tables of keys.

type rawPrivacy struct {
	controller value[datamapController]
	purposes   value[[]named[rawPurpose]]
	retention  value[[]named[datamap.Period]]
	systems    value[[]named[rawSystem]]
}

type datamapController struct{ name, contact, dpo value[string] }

type rawPurpose struct {
	basis, condition, notice, retention      value[string]
	gpc                                      value[bool]
	persons, recipients, transfers, measures value[[]value[string]]
}

type rawSystem struct {
	kind                                           value[string]
	collections                                    value[[]named[rawCollection]]
	recipients                                     value[[]value[string]]
	urlFile, schema, readBack                      value[string]                    // postgres
	timeout                                        value[time.Duration]             // postgres
	url, domain, tokenFile, certFile, ca, callback value[string]                    // opendsr
	identities                                     value[[]named[rawTheirIdentity]] // opendsr
	deadline                                       value[datamap.Period]            // opendsr
	extensions, resultsHosts                       value[[]value[string]]           // opendsr
}

type rawTheirIdentity struct{ kind, format value[string] }

type rawCollection struct {
	table, restriction  value[string]
	onErasure           value[connector.Action]
	keepReason          value[string]
	category, retention value[string]
	purpose             value[[]value[string]]
	key                 value[rawSubjectKey]
	parent              value[rawParent]
	fields              value[[]named[rawField]]
}

type rawSubjectKey struct{ column, identity value[string] }

type rawParent struct{ collection, column, references value[string] }

type rawField struct {
	category, basis, retention value[string]
	purpose                    value[[]value[string]]
	onErasure                  value[connector.Action]
	keepReason, mask, source   value[string]
}
