package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The commands about people's rights. Each is one call of control's API.

// listing are the flags of a list.
type listing struct {
	limit  int
	cursor string
	more   map[string]*string // further parameters by name
}

func (l *listing) flags(doc map[string]string) func(*cobra.Command) {
	l.more = map[string]*string{}
	return func(cmd *cobra.Command) {
		cmd.Flags().IntVar(&l.limit, "limit", 50, "entries at most, 1 to 500")
		cmd.Flags().StringVar(&l.cursor, "cursor", "", "where a former page has ended")
		for name, text := range doc {
			l.more[name] = cmd.Flags().String(name, "", text)
		}
	}
}

func (l *listing) query() url.Values {
	q := url.Values{"limit": {strconv.Itoa(l.limit)}}
	if l.cursor != "" {
		q.Set("cursor", l.cursor)
	}
	for name, value := range l.more {
		if *value != "" {
			q.Set(strings.ReplaceAll(name, "-", "_"), *value)
		}
	}
	return q
}

// fields are a body's members that come from flags; --data gives others.
type fields struct {
	values map[string]*string
	need   []string
	data   string
}

// flags adds one for each member; those whose text begins with "!" must be given.
func (f *fields) flags(doc map[string]string) func(*cobra.Command) {
	f.values = map[string]*string{}
	return func(cmd *cobra.Command) {
		for name, text := range doc {
			if rest, must := strings.CutPrefix(text, "!"); must {
				f.need, text = append(f.need, name), rest
			}
			f.values[name] = cmd.Flags().String(name, "", text)
		}
		cmd.Flags().StringVar(&f.data, "data", "", "further members of the body, as a JSON object")
	}
}

func (f *fields) body() (map[string]any, error) {
	body := map[string]any{}
	if f.data != "" {
		if err := json.Unmarshal([]byte(f.data), &body); err != nil {
			return nil, fmt.Errorf("--data is no JSON object: %w", err)
		}
	}
	for name, value := range f.values {
		if *value != "" {
			body[strings.ReplaceAll(name, "-", "_")] = *value
		}
	}
	var errs []error
	for _, name := range f.need {
		if _, ok := body[strings.ReplaceAll(name, "-", "_")]; !ok {
			errs = append(errs, fmt.Errorf("--%s is missing", name))
		}
	}
	return body, errors.Join(errs...)
}

// on makes the call for one thing that an argument names.
func on(method, path, tail string, f *fields) func([]string) (call, error) {
	return func(args []string) (call, error) {
		if strings.Trim(args[0], ".") == "" {
			return call{}, fmt.Errorf("%q is no number of one: `list` shows them", args[0])
		}
		in := call{method: method, path: path + "/" + url.PathEscape(args[0]) + tail}
		if f == nil {
			return in, nil
		}
		body, err := f.body()
		in.body = body
		return in, err
	}
}

func get(path string, l *listing) func([]string) (call, error) {
	return func([]string) (call, error) {
		return call{method: http.MethodGet, path: path, query: l.query()}, nil
	}
}

const requestsPath = "/v1/subject-requests"

func newSubjectCommand(app *App) *cobra.Command {
	columns := []column{{"NUMBER", "id"}, {"RIGHT", "kind"}, {"STATE", "state"}, {"RECEIVED", "received"}, {"DUE", "due"}, {"PERSON", "subject"}}
	one := cobra.ExactArgs(1)
	var list listing
	var identities, changes []string
	var request, verify, extend, refuse, cancel, attest fields
	requestFlags := request.flags(map[string]string{
		"subject": "the person's id here; or --identity", "reason": "what the person wrote",
	})
	var out string
	because := func(f *fields, text string) func(*cobra.Command) {
		return f.flags(map[string]string{"reason": "!" + text})
	}
	group := app.apiGroup("subject", "Requests of the people whose data is held (GDPR Art. 15 to 22)",
		apiCommand{
			use: "request KIND", short: "Record a request: access, rectification, erasure, restriction, portability or objection", args: one,
			flags: func(cmd *cobra.Command) {
				requestFlags(cmd)
				cmd.Flags().StringSliceVar(&identities, "identity", nil, "how other systems know the person: email=a@example.com; may be repeated")
				cmd.Flags().StringSliceVar(&changes, "change", nil, "rectification: COLLECTION.FIELD=VALUE; may be repeated")
			},
			call: func(args []string) (call, error) { return requestCall(args[0], &request, identities, changes) },
		},
		apiCommand{use: "list", short: "List requests", args: cobra.NoArgs, columns: columns, call: get(requestsPath, &list),
			flags: list.flags(map[string]string{"state": "received, verified, in_progress, completed, refused or cancelled", "kind": "access, erasure, ..."})},
		apiCommand{use: "show NUMBER", short: "Show a request, system by system", args: one, call: on(http.MethodGet, requestsPath, "", nil)},
		apiCommand{use: "verify NUMBER", short: "Record that the person is who they say", args: one, flags: verify.flags(map[string]string{"how": "!how it was checked"}),
			call: on(http.MethodPost, requestsPath, "/verify", &verify)},
		apiCommand{use: "extend NUMBER", short: "Take two further months (Art. 12(3))", args: one, flags: because(&extend, "why, as it is told to the person"),
			call: on(http.MethodPost, requestsPath, "/extend", &extend)},
		apiCommand{use: "refuse NUMBER", short: "Refuse a request (Art. 12(5), 17(3))", args: one, flags: because(&refuse, "why, as it is told to the person"),
			call: on(http.MethodPost, requestsPath, "/refuse", &refuse)},
		apiCommand{use: "cancel NUMBER", short: "End a request that the person has taken back", args: one, flags: because(&cancel, "why"),
			call: on(http.MethodPost, requestsPath, "/cancel", &cancel)},
		apiCommand{use: "run NUMBER", short: "Carry a verified request out, or go on with it", args: one, call: on(http.MethodPost, requestsPath, "/run", nil)},
		apiCommand{use: "plan NUMBER", short: "Show what would be done, and do nothing", args: one, call: on(http.MethodGet, requestsPath, "/plan", nil)},
		apiCommand{use: "attest NUMBER", short: "Record that somebody has done by hand what a system could not", args: one,
			flags: attest.flags(map[string]string{"system": "!the system whose step has failed", "note": "!what was done, and how"}),
			call:  on(http.MethodPost, requestsPath, "/attest", &attest)},
		apiCommand{use: "person ID", short: "Show whether a person's data may be used: restricted (Art. 18), erased", args: one, call: on(http.MethodGet, "/v1/subjects", "", nil)},
		apiCommand{use: "export NUMBER --out FILE", short: "Fetch the archive of an access or portability request", args: one,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&out, "out", "", "new file for the archive; - is standard output")
			},
			save: func() string { return out },
			call: func(args []string) (call, error) {
				if out == "" {
					return call{}, errors.New("--out is missing: name a file, or - for standard output")
				}
				return on(http.MethodGet, requestsPath, "/export", nil)(args)
			}},
	)
	group.AddCommand(newSubjectCheckMap(app), newSubjectVerifyExport(app))
	return group
}

// requestCall takes the person and what is to be changed from the flags.
func requestCall(kind string, f *fields, identities, changes []string) (call, error) {
	body, err := f.body()
	if err != nil {
		return call{}, err
	}
	body["kind"] = kind
	var list []map[string]string
	for _, text := range identities {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return call{}, fmt.Errorf("--identity %q: write email=a@example.com", text)
		}
		list = append(list, map[string]string{"type": name, "value": value})
	}
	if list != nil {
		body["identities"] = list
	}
	var corrected []map[string]string
	for _, text := range changes {
		where, value, ok := strings.Cut(text, "=")
		collection, field, dotted := strings.Cut(where, ".")
		if !ok || !dotted || collection == "" || field == "" {
			return call{}, fmt.Errorf("--change %q: write customers.email=b@example.com", text)
		}
		corrected = append(corrected, map[string]string{"collection": collection, "field": field, "value": value})
	}
	if corrected != nil {
		body["changes"] = corrected
	}
	return call{method: http.MethodPost, path: requestsPath, body: body}, nil
}

func newConsentCommand(app *App) *cobra.Command {
	const path = "/v1/consents"
	columns := []column{{"PURPOSE", "purpose"}, {"STATE", "state"}, {"NOTICE", "notice_version"}, {"CHANNEL", "channel"}, {"TIME", "time"}, {"BY", "by"}}
	var show, history listing
	var given, withdrawn, objects fields
	person := map[string]string{
		"subject": "!the person's id here", "purpose": "!what the consent is for", "notice-version": "version of the notice that was shown",
		"channel": "how: form, paper, phone, ...",
	}
	record := func(state string, f *fields) func([]string) (call, error) {
		return func([]string) (call, error) {
			body, err := f.body()
			body["state"] = state
			return call{method: http.MethodPost, path: path, body: body}, err
		}
	}
	return app.apiGroup("consent", "The ledger of consents (GDPR Art. 7)",
		apiCommand{use: "give", short: "Record that a person has consented", args: cobra.NoArgs, flags: given.flags(person), call: record("given", &given)},
		apiCommand{use: "withdraw", short: "Record that a person has withdrawn consent", args: cobra.NoArgs, flags: withdrawn.flags(person), call: record("withdrawn", &withdrawn)},
		apiCommand{use: "show", short: "Show a person's consents as they are now", args: cobra.NoArgs, columns: columns,
			flags: show.flags(map[string]string{"subject": "the person's id here", "purpose": "only this purpose"}), call: get(path, &show)},
		apiCommand{use: "history", short: "Show every entry, with its place in the audit log", args: cobra.NoArgs, columns: append(columns, column{"EVENT", "event_id"}),
			flags: history.flags(map[string]string{"subject": "the person's id here", "purpose": "only this purpose"}), call: get(path+"/history", &history)},
		apiCommand{use: "gpc", short: "Record a signal of Global Privacy Control as an objection to the purposes that heed it", args: cobra.NoArgs, columns: columns,
			flags: objects.flags(map[string]string{"subject": "!the person's id here"}),
			call: func([]string) (call, error) {
				body, err := objects.body()
				return call{method: http.MethodPost, path: path + "/gpc", body: body}, err
			}},
		apiCommand{use: "prove EVENT", short: "Fetch the proof that an entry is in the audit log, for `audit verify --proof -`", args: cobra.ExactArgs(1), plain: "proof",
			call: on(http.MethodGet, path, "/proof", nil)},
	)
}

func newRecordsCommand(app *App) *cobra.Command {
	var format, out string
	return app.apiAlone(apiCommand{
		use: "records", short: "Write the record of processing activities (GDPR Art. 30), made from the data map", args: cobra.NoArgs,
		flags: func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&format, "format", "markdown", "markdown, csv or json")
			cmd.Flags().StringVar(&out, "out", "-", "new file to write; - is standard output")
		},
		save: func() string { return out },
		call: func([]string) (call, error) {
			if format != "markdown" && format != "csv" && format != "json" {
				return call{}, fmt.Errorf("--format is %q: write markdown, csv or json", format)
			}
			return call{method: http.MethodGet, path: "/v1/records", query: url.Values{"format": {format}}}, nil
		},
	})
}

func newBreachCommand(app *App) *cobra.Command {
	const path = "/v1/breaches"
	columns := []column{{"NUMBER", "id"}, {"STATE", "state"}, {"TITLE", "title"}, {"AWARE", "aware"}, {"DUE", "due"}, {"RISK", "risk"}}
	one := cobra.ExactArgs(1)
	var list listing
	var record, update, notify fields
	facts := map[string]string{
		"title": "what happened, in a line", "aware": "when it became known, RFC 3339; the 72 hours run from then", "nature": "what kind of breach",
		"categories": "whose and which data", "consequences": "what is likely to follow", "measures": "what was done and is planned",
		"risk": "none, risk or high", "reason": "why later than 72 hours (Art. 33(1))",
	}
	must := map[string]string{}
	for name, text := range facts {
		must[name] = text
	}
	must["title"] = "!" + facts["title"]
	var article string
	return app.apiGroup("breach", "The register of personal data breaches (GDPR Art. 33, 34)",
		apiCommand{use: "record", short: "Record a breach; the clock runs from its --aware", args: cobra.NoArgs, flags: record.flags(must),
			call: func([]string) (call, error) {
				body, err := record.body()
				return call{method: http.MethodPost, path: path, body: body}, err
			}},
		apiCommand{use: "list", short: "List the breaches with their clocks", args: cobra.NoArgs, columns: columns, call: get(path, &list),
			flags: list.flags(map[string]string{"state": "recorded, assessed, contained, notified or closed"})},
		apiCommand{use: "show NUMBER", short: "Show a breach", args: one, call: on(http.MethodGet, path, "", nil)},
		apiCommand{use: "update NUMBER", short: "Record what else is known, or a new state", args: one,
			flags: func(cmd *cobra.Command) {
				facts["state"] = "assessed, contained or closed"
				update.flags(facts)(cmd)
			},
			call: func(args []string) (call, error) { return on(http.MethodPatch, path, "", &update)(args) }},
		apiCommand{use: "notify NUMBER", short: "Record that the authority, or the persons, were told", args: one,
			flags: notify.flags(map[string]string{"whom": "!authority or persons", "time": "when, RFC 3339; now unless told", "reference": "the authority's number", "reason": "why later than 72 hours"}),
			call:  on(http.MethodPost, path, "/notify", &notify)},
		apiCommand{use: "draft NUMBER", short: "Write the notification of Art. 33(3), or of Art. 34, as Markdown", args: one,
			flags: func(cmd *cobra.Command) { cmd.Flags().StringVar(&article, "article", "33", "33 or 34") },
			save:  func() string { return "-" },
			call: func(args []string) (call, error) {
				if article != "33" && article != "34" {
					return call{}, fmt.Errorf("--article is %q: write 33 or 34", article)
				}
				in, err := on(http.MethodGet, path, "/draft", nil)(args)
				in.query = url.Values{"article": {article}}
				return in, err
			}},
	)
}
