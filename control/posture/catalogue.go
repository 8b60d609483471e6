package posture

// The sections of the catalogue.
const (
	headersSection  = "security headers"
	secretsSection  = "secrets"
	inputSection    = "input"
	sessionsSection = "authentication"
	limitsSection   = "rate limits"
	errorsSection   = "error messages"
	rightsSection   = "GDPR"
	watchSection    = "monitoring"
)

// catalogue lists all checks. An id is never given again.
func catalogue() []check {
	return []check{
		{id(1), headersSection, "Content-Security-Policy is sent and forbids inline scripts", contentSecurityPolicy},
		{id(2), headersSection, "X-Frame-Options is DENY", header("X-Frame-Options", "DENY")},
		{id(3), headersSection, "X-Content-Type-Options is nosniff", header("X-Content-Type-Options", "nosniff")},
		{id(4), headersSection, "Strict-Transport-Security is sent over HTTPS, and only there", transportSecurity},
		{id(5), headersSection, "Referrer-Policy is sent and keeps full addresses from other sites", referrerPolicy},
		{id(6), headersSection, "another site's origin is not allowed by CORS", foreignOrigin},

		{id(11), secretsSection, "secrets are files that others can neither read nor write", secretFiles},
		{id(12), secretsSection, "no process has a secret in a plain environment variable", plainEnvironment},
		{id(13), secretsSection, "no secret's text is in a process' environment or arguments", secretsInProcesses},
		{id(14), secretsSection, "no secret's text is in a log", secretsInLogs},

		{id(21), inputSection, "a program that is named PDF is refused", disguisedUpload},
		{id(22), inputSection, "content that its extension denies is refused", wrongExtension},
		{id(23), inputSection, "an honest PDF is accepted", honestUpload},

		{id(31), sessionsSection, "sessions are in a real Redis that keeps them on disk", realRedis},
		{id(32), sessionsSection, "Redis asks for a password", redisPassword},
		{id(33), sessionsSection, "Redis holds the hash of a session token and never the token", hashedTokens},
		{id(34), sessionsSection, "sessions expire", expiringSessions},
		{id(35), sessionsSection, "a signed-out session ends at once", endedSessions},
		{id(36), sessionsSection, "a protected endpoint wants a valid session", protectedEndpoint},
		{id(37), sessionsSection, "an identity header from outside is no identity", foreignIdentity},
		{id(38), sessionsSection, "passwords are stored as argon2id hashes", hashedPasswords},

		{id(41), limitsSection, "a limited response carries RateLimit and RateLimit-Policy", limitFields},
		{id(42), limitsSection, "requests are counted in Redis", countedInRedis},
		{id(43), limitsSection, "a user is limited as a user", limitedByUser},

		{id(51), errorsSection, "an unknown user and a wrong password get the same answer", genericSignIn},
		{id(52), errorsSection, "a refusal is a problem document and says nothing of the inside", plainRefusals},

		{id(61), watchSection, "a refused request is an event in the audit log", recordedRefusal},
		{id(62), watchSection, "the audit log verifies", verifiedLog},
		{id(63), watchSection, "the five alert rules are in force", alertRules},
		{id(64), watchSection, "control, authz and every Envoy have the same policy", samePolicy},

		{id(71), rightsSection, "consent is managed", consentRoom},
		{id(72), rightsSection, "access (Article 15) can be requested", requestKind("access")},
		{id(73), rightsSection, "rectification (Article 16) can be requested", requestKind("rectification")},
		{id(74), rightsSection, "erasure (Article 17) can be requested", requestKind("erasure")},
		{id(75), rightsSection, "portability (Article 20) can be requested", requestKind("portability")},
		{id(76), rightsSection, "breaches are registered, with their clock", breachRoom},
	}
}

// checklists are the audit's own lines.
func checklists() []Line {
	const (
		gdpr    = "GDPR implementation"
		headers = "Security headers"
		merge   = "Pre-merge"
		never   = "Never violate"
	)
	return []Line{
		line(gdpr, "Consent management with audit trail", 71, 62),
		line(gdpr, "Data subject access rights (Article 15)", 72),
		line(gdpr, "Right to rectification (Article 16)", 73),
		line(gdpr, "Right to erasure (Article 17)", 74),
		line(gdpr, "Right to data portability (Article 20)", 75),
		line(gdpr, "Data processing audit logs", 61, 62),
		line(gdpr, "Breach notification procedures", 76),

		line(headers, "Content-Security-Policy configured", 1),
		line(headers, "X-Frame-Options: DENY", 2),
		line(headers, "X-Content-Type-Options: nosniff", 3),
		line(headers, "Strict-Transport-Security (HTTPS only)", 4),
		line(headers, "Referrer-Policy configured", 5),

		elsewhere(merge, "All security tests pass", "make test"),
		elsewhere(merge, "No hardcoded secrets detected", "make security-scan"),
		line(merge, "Error messages don't leak sensitive information", 51, 52),
		elsewhere(merge, "Rate limiting tested under load", "make test, or the hey line in docs/security_audit_remediation.md; this command must not use limits up"),
		line(merge, "Authentication flows validated", 33, 34, 35, 36, 37),
		line(merge, "GDPR compliance verified (if applicable)", 71, 72, 73, 74, 75, 76),
		line(merge, "Security headers configured correctly", 1, 2, 3, 4, 5, 6),
		line(merge, "Monitoring and alerting in place", 61, 63),

		elsewhere(never, "NEVER hardcode API keys, passwords, or secrets in source code", "make security-scan"),
		line(never, "ALWAYS use Docker secrets or secure environment variable loading", 11, 12),
		line(never, "NEVER log secrets or sensitive data", 14),
		line(never, "ALWAYS validate that secrets are loaded by the secure way instead of the environment", 12, 13),
		line(never, "ALWAYS validate file uploads using both magic bytes and extension checks", 21, 22, 23),
		line(never, "NEVER trust user input without validation", 21, 22, 37, 52),
		elsewhere(never, "ALWAYS sanitize and validate data before database operations", "the tests of control/store: every value is a parameter"),
		line(never, "MUST use the validator for all file upload endpoints", 21),
		line(never, "ALWAYS use Redis-based session management (never in-memory storage)", 31, 33),
		line(never, "MUST implement proper session expiration and invalidation", 34, 35),
		line(never, "ALWAYS validate session tokens on every protected endpoint", 36, 37),
		line(never, "NEVER store plaintext passwords", 38),
		line(never, "ALWAYS use distributed rate limiting with Redis", 42),
		line(never, "MUST implement proper rate limit headers", 41),
		line(never, "ALWAYS rate limit by IP address and user ID where applicable", 41, 43),
		line(never, "NEVER rely on in-memory rate limiting in production", 31, 42),
	}
}

func line(list, text string, checks ...int) Line {
	l := Line{Checklist: list, Text: text}
	for _, n := range checks {
		l.Checks = append(l.Checks, id(n))
	}
	return l
}

func elsewhere(list, text, where string) Line {
	return Line{Checklist: list, Text: text, Elsewhere: where}
}
