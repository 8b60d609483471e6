package scan

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
)

// GenericRule is the one rule of gitleaks that goes by the name before the text
// and the text's disorder alone. It is right often, not nearly always.
const GenericRule = "generic-api-key"

// own are the rules of what nobody else has rules for.
func own() []config.Rule {
	rule := func(id, description, pattern string, keywords ...string) config.Rule {
		return config.Rule{RuleID: id, Description: description, Regex: regexp.MustCompile(pattern), Keywords: keywords}
	}
	return []config.Rule{
		rule("gatehouse-session-token", "a Gatehouse session token", `\b(ghs_[A-Za-z0-9_-]{43,64})`, "ghs_"),
		rule("note-signing-key", "a signing key of C2SP signed notes",
			`(PRIVATE\+KEY\+[^\s+"]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{40,})`, "private+key+"),
		rule("argon2-hash", "a password hash", `(\$argon2(?:id|i|d)\$v=[0-9$A-Za-z=,+/]{20,})`, "$argon2"),
		rule("url-password", "a URL with a password", `\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s:/@?#"'\[]{0,128}:([^\s/@"'\[]{6,256})@[A-Za-z0-9\[]`, "://"),
	}
}

// base reads gitleaks' rules through a viper of our own: gitleaks'
// NewDetectorDefaultConfig goes through the one of the whole process.
func base() (config.ViperConfig, error) {
	file, err := parse(config.DefaultConfig)
	if err != nil {
		return file, fmt.Errorf("read gitleaks' default rules: %w", err)
	}
	modernize(&file)
	return file, nil
}

// modernize turns an allowlist in the older form, which cannot stand beside the
// newer, into one of those.
func modernize(file *config.ViperConfig) {
	if old := file.AllowList; old != nil { //nolint:staticcheck // people's files still have it, and gitleaks' own
		file.Allowlists, file.AllowList = append(file.Allowlists, old), nil //nolint:staticcheck // see above
	}
}

func parse(text string) (file config.ViperConfig, err error) {
	v := viper.New()
	v.SetConfigType("toml")
	if err := v.ReadConfig(strings.NewReader(text)); err != nil {
		return file, err
	}
	return file, v.Unmarshal(&file)
}

// finish adds our rules, which no file of rules can take away.
func finish(file config.ViperConfig) (config.Config, error) {
	file.Extend, file.MinVersion = config.Extend{}, ""
	rules, err := file.Translate()
	if err != nil {
		return config.Config{}, err
	}
	for _, rule := range own() {
		rules.Rules[rule.RuleID] = rule
		for _, word := range rule.Keywords {
			rules.Keywords[word] = struct{}{}
		}
	}
	return rules, nil
}

// errExtends refuses what would make a scan read files that it was not given.
var errExtends = errors.New("extend.path and extend.url are not followed: write the rules into this file")

// extend reads the text of a .gitleaks.toml: its rules and allowlists beside the
// default ones, which hold also when it does not ask for them, less those that
// it disables by name.
func extend(text string) (config.Config, error) {
	theirs, err := parse(text)
	if err != nil {
		return config.Config{}, err
	}
	if theirs.Extend.Path != "" || theirs.Extend.URL != "" {
		return config.Config{}, errExtends
	}
	modernize(&theirs)
	if err := compiles(theirs); err != nil {
		return config.Config{}, err
	}
	file, err := base()
	if err != nil {
		return config.Config{}, err
	}
	replaced := map[string]bool{}
	for _, id := range theirs.Extend.DisabledRules {
		replaced[id] = true
	}
	for _, rule := range theirs.Rules {
		replaced[rule.ID] = true
	}
	rules := theirs.Rules
	for _, rule := range file.Rules {
		if !replaced[rule.ID] {
			rules = append(rules, rule)
		}
	}
	file.Rules = rules
	file.Allowlists = append(file.Allowlists, theirs.Allowlists...)
	return finish(file)
}

// compiles finds the patterns on which gitleaks would panic.
func compiles(file config.ViperConfig) error {
	var patterns []string
	for _, rule := range file.Rules {
		patterns = append(patterns, rule.Regex, rule.Path)
		for _, list := range rule.Allowlists {
			patterns = append(append(patterns, list.Regexes...), list.Paths...)
		}
		if rule.AllowList != nil {
			patterns = append(append(patterns, rule.AllowList.Regexes...), rule.AllowList.Paths...)
		}
	}
	for _, list := range file.Allowlists {
		patterns = append(append(patterns, list.Regexes...), list.Paths...)
	}
	for _, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			return fmt.Errorf("a pattern cannot be compiled: %w", err)
		}
	}
	return nil
}
