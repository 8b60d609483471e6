//! A plain proxy-wasm filter for the bench: it sets the headers of its
//! configuration (a `name: value` in each line) and those of CORS for one
//! origin, one by one, as such filters are written. It decides about no body and
//! tells nobody what it did.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { headers: Rc::new(Vec::new()) }));
}}

const ORIGIN: &str = "https://app.example.com";

type Headers = Rc<Vec<(String, String)>>;

struct Root {
    headers: Headers,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        self.headers = Rc::new(pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect());
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { headers: self.headers.clone(), origin: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Filter {
    headers: Headers,
    origin: Option<String>,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.origin = self.get_http_request_header("origin");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        for (name, value) in self.headers.iter() {
            self.set_http_response_header(name, Some(value));
        }
        if self.origin.as_deref() == Some(ORIGIN) {
            self.set_http_response_header("access-control-allow-origin", Some(ORIGIN));
            self.set_http_response_header("access-control-allow-credentials", Some("true"));
        }
        Action::Continue
    }
}
