//! A plain proxy-wasm filter for the bench: the headers of the strict preset
//! and CORS for one origin, set one by one, as such filters are written. It has
//! no configuration, decides about no body and tells nobody what it did.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_http_context(|_, _| Box::new(Filter { origin: None }));
}}

const ORIGIN: &str = "https://app.example.com";

const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-permitted-cross-domain-policies", "none"),
];

struct Filter {
    origin: Option<String>,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.origin = self.get_http_request_header("origin");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        for (name, value) in HEADERS {
            self.set_http_response_header(name, Some(value));
        }
        self.set_http_response_header("vary", Some("Origin"));
        if self.origin.as_deref() == Some(ORIGIN) {
            self.set_http_response_header("access-control-allow-origin", Some(ORIGIN));
            self.set_http_response_header("access-control-allow-credentials", Some("true"));
        }
        Action::Continue
    }
}
