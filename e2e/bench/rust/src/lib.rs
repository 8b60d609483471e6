//! A plain proxy-wasm filter for the bench: it does what this project's filter does
//! with a policy of constant headers and CORS for one origin, as such filters are
//! written. Its configuration has a header to set in each line, `name: value`, and
//! one to remove in each `-name`. It reads each header map once and makes no call
//! that changes nothing. It decides about no body and tells nobody what it did.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { policy: Rc::new(Policy::default()) }));
}}

const ORIGIN: &str = "https://app.example.com";
const RESERVED: &str = "x-gatehouse-";

#[derive(Default)]
struct Policy {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

struct Root {
    policy: Rc<Policy>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let mut policy = Policy::default();
        for line in String::from_utf8_lossy(&text).lines() {
            if let Some(name) = line.strip_prefix('-') {
                policy.remove.push(name.to_string());
            } else if let Some((name, value)) = line.split_once(": ") {
                policy.set.push((name.to_string(), value.to_string()));
            }
        }
        self.policy = Rc::new(policy);
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { policy: self.policy.clone(), allowed: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Filter {
    policy: Rc<Policy>,
    allowed: bool,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        for (name, value) in &self.get_http_request_headers() {
            if name == "origin" {
                self.allowed = value == ORIGIN;
            } else if name.starts_with(RESERVED) {
                self.set_http_request_header(name, None);
            }
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let mut vary = String::new();
        for (name, value) in &self.get_http_response_headers() {
            if name == "vary" {
                vary.push_str(value);
                vary.push_str(", ");
            } else if self.policy.remove.contains(name) {
                self.set_http_response_header(name, None);
            }
        }
        for (name, value) in &self.policy.set {
            self.set_http_response_header(name, Some(value));
        }
        if !vary.split(", ").any(|name| name.eq_ignore_ascii_case("origin")) {
            vary.push_str("Origin");
            self.set_http_response_header("vary", Some(&vary));
        }
        if self.allowed {
            self.set_http_response_header("access-control-allow-origin", Some(ORIGIN));
            self.set_http_response_header("access-control-allow-credentials", Some("true"));
        }
        Action::Continue
    }
}
