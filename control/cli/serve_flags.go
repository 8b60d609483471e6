package cli

import (
	"context"
	"crypto/tls"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"gatehouse/authz"
	"gatehouse/authz/ratelimit"
	"gatehouse/control"
	"gatehouse/control/internal/authorities"
	"gatehouse/control/store"
)

// defaultState is the folder that everything is kept in unless it is told.
const defaultState = ".gatehouse"

// authzFlags are those of serve authz.
type authzFlags struct {
	listen, metricsListen string
	policyFile, stateDir  string
	store, rateLimits     string
	rateLimit             rateLimitFlags
	issuer                string
	providerSecrets       string
	mail                  mailFlags
	xds                   ratelimit.XDSOptions
	xdsCA                 string
	poolSize              int
}

// add adds the flags; those whose names differ between the commands are left to
// them.
func (f *authzFlags) add(cmd *cobra.Command, metricsFlag string) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9001", "address of authz, gRPC and HTTP: host:port or unix:///PATH")
	flags.StringVar(&f.policyFile, "policy-file", "", "compiled policy (JSON) instead of the one that control publishes")
	flags.StringVar(&f.rateLimits, "ratelimit-config", "", "folder of envoyproxy/ratelimit's YAML; serves its RateLimitService")
	flags.StringVar(&f.xds.Target, "ratelimit-xds", "", "management server (host:port) that serves the same configuration over xDS")
	flags.StringVar(&f.xds.NodeID, "ratelimit-xds-node", "default", "node id to ask it with")
	flags.StringToStringVar(&f.xds.Headers, "ratelimit-xds-header", nil, "header to ask it with: name=value; may be given several times")
	flags.StringVar(&f.xdsCA, "ratelimit-xds-ca", "", "authorities (PEM) of its certificate; \"system\" takes the system's; empty asks without TLS")
	flags.StringVar(&f.issuer, "assertion-issuer", "gatehouse", "\"iss\" of x-gatehouse-assertion, as upstreams expect it")
	flags.StringVar(&f.providerSecrets, "provider-secrets", "", "folder with the client's secret at each OpenID provider of sign_in.providers, in a file of the provider's name (mode 0600), read anew at each use")
	f.rateLimit.add(flags)
	f.mail.add(flags)
	flags.IntVar(&f.poolSize, "redis-pool-size", 20, "connections of authz to Redis")
	if metricsFlag != "" {
		flags.StringVar(&f.metricsListen, metricsFlag, "", "address that serves /metrics; empty serves none")
	}
}

func (f *authzFlags) addStore(cmd *cobra.Command, value, use string) {
	addStoreFlag(cmd.Flags(), &f.store, value, use)
}

// options opens the store if there is one; closeStore closes it.
func (f *authzFlags) options(ctx context.Context, s *service) (o authz.Options, closeStore func() error, err error) {
	if f.poolSize < 1 {
		return o, nil, misuse("--redis-pool-size is %d: write at least 1", f.poolSize)
	}
	if f.rateLimit.metrics != "" && f.rateLimit.metrics != metricsCompat {
		return o, nil, misuse("--ratelimit-metrics %q: write compat, or leave it away", f.rateLimit.metrics)
	}
	o = authz.Options{
		Listen: f.listen, MetricsListen: f.metricsListen,
		Redis: authz.RedisOptions{
			URL: s.redisURL.Value(), Password: s.redisPassword.Value(),
			LiveURL: s.redisURL, LivePassword: s.redisPassword, PoolSize: f.poolSize,
		},
		PolicyFile: f.policyFile, StateDir: f.stateDir, RateLimitConfig: f.rateLimits, RateLimit: f.rateLimit.options(),
		PseudonymKey: s.pseudonymKey, AssertionKey: s.assertionKey, AssertionIssuer: f.issuer, ProviderSecrets: f.providerSecrets,
		Instance: s.instance, Log: s.log.Logger, Guard: s.log.guard,
	}
	if o.RateLimitXDS, err = f.rateLimitXDS(); err != nil {
		return o, nil, err
	}
	if o.Mailer, err = f.mail.mailer(s); err != nil {
		return o, nil, err
	}
	closeStore = func() error { return nil }
	if f.store != "" {
		options, err := s.storeOptions(f.store)
		if err != nil {
			return o, nil, err
		}
		users, err := store.Open(ctx, options)
		if err != nil {
			return o, nil, err
		}
		o.Users, closeStore = users, users.Close
	}
	return o, closeStore, nil
}

// rateLimitXDS is nil where no management server is named.
func (f *authzFlags) rateLimitXDS() (*ratelimit.XDSOptions, error) {
	if f.xds.Target == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	o := f.xds
	o.Credentials = insecure.NewCredentials()
	if f.xdsCA != "" {
		path := f.xdsCA
		if path == "system" {
			path = ""
		}
		roots, err := authorities.File(path)
		if err != nil {
			return nil, misuse("--ratelimit-xds-ca: %w", err)
		}
		o.Credentials = credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	}
	return &o, nil
}

// controlFlags are those of serve control.
type controlFlags struct {
	config                               string
	xdsListen, httpListen, metricsListen string
	stateDir, wasm, authzAddress         string
	scanAddress                          string
	envoyListen, envoyTLSListen          string
	store, adminTokenFile                string
}

func (f *controlFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "gatehouse.yaml", "policy file")
	flags.StringVar(&f.xdsListen, "xds-listen", "127.0.0.1:9002", "address for Envoy; whoever reaches it is given the TLS key")
	flags.StringVar(&f.httpListen, "http-listen", "127.0.0.1:8081", "address of the console, the API, /healthz, /readyz and /metrics")
	flags.StringVar(&f.adminTokenFile, "admin-token-file", "", "file with the token of an administrator of the API, besides those of the policy file")
	flags.StringVar(&f.wasm, "wasm", "bin/gatehouse.wasm", "the filter's module, as Envoy sees it")
	flags.StringVar(&f.scanAddress, "scan-address", "", "control's xds-listen as Envoy reaches it, for scanning files (default: xds-listen, where that is one address)")
	flags.StringVar(&f.envoyListen, "envoy-listen", "", "Envoy's address instead of the policy file's envoy.listen")
	flags.StringVar(&f.envoyTLSListen, "envoy-tls-listen", "", "Envoy's address instead of the policy file's envoy.tls.listen")
}

func (f *controlFlags) options(s *service) (control.Options, error) {
	kept, err := s.storeOptions(f.store)
	return control.Options{
		Config: f.config, XDSListen: f.xdsListen, HTTPListen: f.httpListen, MetricsListen: f.metricsListen,
		StateDir: f.stateDir, WasmPath: f.wasm, AuthzAddress: f.authzAddress, ScanAddress: f.scanAddress,
		EnvoyListen: f.envoyListen, EnvoyTLSListen: f.envoyTLSListen,
		Redis: control.RedisOptions{
			URL: s.redisURL.Value(), Password: s.redisPassword.Value(), LiveURL: s.redisURL, LivePassword: s.redisPassword,
		},
		AuditKey: s.auditKey,
		Store:    kept,
		Version:  buildVersion().Version, PseudonymKey: s.pseudonymKey, LiveMasterKey: s.masterKey, AdminTokenFile: f.adminTokenFile,
		Instance: s.instance, Log: s.log.Logger, Guard: s.log.guard,
	}, err
}

// commonFlags are those of every service.
type commonFlags struct {
	redis, redisURLFile string
	instance            string
	logFormat, logLevel string
}

func (f *commonFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.redis, "redis", "", "redis://HOST:PORT/DB, rediss:// for TLS, or unix:///PATH; without a password")
	flags.StringVar(&f.redisURLFile, "redis-url-file", "", "file that holds the URL of Redis, which may have a password")
	flags.StringVar(&f.instance, "instance", "", "name of this replica in events (default: the host's)")
	flags.StringVar(&f.logFormat, "log-format", "json", "json or text")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
}
