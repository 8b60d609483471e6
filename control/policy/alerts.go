package policy

import (
	"errors"
	"slices"
	"time"

	"gatehouse/control/alert"
)

// AlertSettings are the rules and who is told. Rules are complete: the defaults
// are in them, unless they are off or replaced.
type AlertSettings struct {
	Rules []alert.Rule `json:"rules"`
	Sinks []AlertSink  `json:"sinks,omitempty"`
}

type rawAlerts struct {
	defaults value[bool]
	rules    value[[]value[rawAlertRule]]
	sinks    value[[]value[rawAlertSink]]
}

type rawAlertRule struct {
	name, when, severity, summary value[string]
	moreThan                      value[int64]
	window, quiet                 value[time.Duration]
	groupBy                       value[[]value[string]]
}

func alertsKind() kind[rawAlerts] {
	return object(
		key("defaults", "whether the five built-in rules apply; true unless told", boolean(), func(a *rawAlerts) *value[bool] { return &a.defaults }),
		key("rules", "what is too much; a rule of a built-in one's name takes its place", list(alertRuleKind()),
			func(a *rawAlerts) *value[[]value[rawAlertRule]] { return &a.rules }),
		key("sinks", "who is told", list(alertSinkKind()), func(a *rawAlerts) *value[[]value[rawAlertSink]] { return &a.sinks }),
	)
}

func alertRuleKind() kind[rawAlertRule] {
	return object(
		required(key("name", "name: failed-sign-ins", text(), func(r *rawAlertRule) *value[string] { return &r.name })),
		required(key("when", `which events count (CEL): event.type == "rate_limit_exceeded"`, text(), func(r *rawAlertRule) *value[string] { return &r.when })),
		required(key("more_than", "more than so many within the window raise it: 5", integer(0, 10_000), func(r *rawAlertRule) *value[int64] { return &r.moreThan })),
		required(key("window", "window: 5m", seconds(), func(r *rawAlertRule) *value[time.Duration] { return &r.window })),
		key("group_by", "what is counted apart: client, subject, type, rule, policy, route, host", list(text()),
			func(r *rawAlertRule) *value[[]value[string]] { return &r.groupBy }),
		key("severity", "info, warning (unless told) or critical", word("info", "warning", "critical"), func(r *rawAlertRule) *value[string] { return &r.severity }),
		key("summary", "a sentence for whoever is told", text(), func(r *rawAlertRule) *value[string] { return &r.summary }),
		key("deduplicate", "how long it must be quiet until another is raised; the window unless told", seconds(),
			func(r *rawAlertRule) *value[time.Duration] { return &r.quiet }),
	)
}

func (k *compiler) alerts() {
	raw := k.raw.alerts.v
	places := map[string]value[rawAlertRule]{}
	var own []alert.Rule
	for _, r := range raw.rules.v {
		own = append(own, r.v.rule())
		places[r.v.name.v] = r
	}
	if !raw.defaults.set || raw.defaults.v {
		for _, d := range alert.Defaults() {
			if !slices.ContainsFunc(own, func(r alert.Rule) bool { return r.Name == d.Name }) {
				k.out.Alerts.Rules = append(k.out.Alerts.Rules, d)
			}
		}
	}
	k.out.Alerts.Rules = append(k.out.Alerts.Rules, own...)
	k.judgeRules(alert.Check(k.out.Alerts.Rules), places)
	seen := map[string]bool{}
	for _, s := range raw.sinks.v {
		k.sink(s.v, s.at, seen)
	}
}

func (r rawAlertRule) rule() alert.Rule {
	out := alert.Rule{
		Name: r.name.v, When: r.when.v, MoreThan: int(r.moreThan.v), Window: r.window.v, Quiet: r.quiet.v,
		Severity: alert.Severity(r.severity.v), Summary: r.summary.v,
	}
	for _, field := range r.groupBy.v {
		out.GroupBy = append(out.GroupBy, field.v)
	}
	return out
}

// judgeRules reports what the room's own compiler found where it was written.
func (k *compiler) judgeRules(err error, places map[string]value[rawAlertRule]) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, e := range joined.Unwrap() {
		var mistake *alert.RuleError
		if !errors.As(e, &mistake) {
			k.d.fail(k.raw.alerts.v.rules.at, e.Error(), "", "")
			continue
		}
		place := places[mistake.Rule]
		at := place.at
		for name, v := range map[string]pos{
			"name": place.v.name.at, "when": place.v.when.at, "more_than": place.v.moreThan.at, "window": place.v.window.at,
			"group_by": place.v.groupBy.at, "deduplicate": place.v.quiet.at,
		} {
			if name == mistake.Key && v.path != "" {
				at = v
			}
		}
		if !k.d.blamed(at.path) {
			k.d.fail(at, mistake.Reason, mistake.Rule, "")
		}
	}
}
