package crossorigin

// scenarios are the Fetch standard's section 3.3 as pages meet it.
func scenarios(s site) []scenario {
	const (
		put   = `{method: 'PUT'}`
		whole = `, {credentials: 'include'}`
	)
	app := func(name, do, want string) scenario { return scenario{name: name, page: s.app, do: do, want: want} }
	evil := func(name, do, want string) scenario {
		return scenario{name: name, page: s.evil, do: do, want: want}
	}
	logged := func(c scenario, path string, log ...string) scenario { c.path, c.log = path, log; return c }
	return []scenario{
		app("a simple request is read", `call('API/app/a')`, "cors 200 GET by nobody"),
		app("a simple POST is read", `call('API/app/a', {method: 'POST', body: 'x'})`, "cors 200 POST by nobody"),
		app("HEAD is read", `call('API/app/a', {method: 'HEAD'})`, "cors 200"),
		app("XMLHttpRequest reads the same", `xhr('API/app/a', false)`, "200 7 GET by nobody"),
		logged(app("a preflighted PUT is read", `call('API/app/put', `+put+`)`, "cors 200 PUT by nobody"), "/app/put", "OPTIONS 204", "PUT 200"),
		logged(app("max-age: the second PUT needs no preflight", `twice('API/app/cached', `+put+`)`, "cors 200 PUT by nobody | cors 200 PUT by nobody"),
			"/app/cached", "OPTIONS 204", "PUT 200", "PUT 200"),
		logged(app("max-age 0: the second PUT needs one", `twice('API/brief/a', `+put+`)`, "cors 200 PUT by nobody | cors 200 PUT by nobody"),
			"/brief/a", "OPTIONS 204", "PUT 200", "OPTIONS 204", "PUT 200"),
		logged(app("a method that is not listed does not leave the browser", `call('API/app/patch', {method: 'PATCH'})`, "refused"), "/app/patch", "OPTIONS 403"),
		logged(app("methods are case-sensitive, in the browser too", `call('API/app/lower', {method: 'purge'})`, "refused"), "/app/lower", "OPTIONS 403"),
		app("any method is allowed by *, with credentials", `call('API/wild/a', {method: 'PATCH', credentials: 'include'})`, "cors 200 PATCH by nobody"),
		app("a listed header may be sent", `call('API/app/a', {headers: {'X-Token': '1'}})`, "cors 200 GET by nobody"),
		logged(app("a header that is not listed does not leave the browser", `call('API/app/header', {headers: {'X-Other': '1'}})`, "refused"), "/app/header", "OPTIONS 403"),
		logged(app("JSON is no simple content, and not listed", `call('API/app/json', {method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}})`, "refused"),
			"/app/json", "OPTIONS 403"),
		app("any header is allowed by *", `call('API/open/a', {headers: {'X-One': '1', 'X-Two': '2'}})`, "cors 200 GET by nobody"),
		app("Authorization is not covered by *", `call('API/open/a', {headers: {'Authorization': 'x', 'X-One': '1'}})`, "refused"),
		app("Authorization beside * is", `call('API/named/a', {headers: {'Authorization': 'x', 'X-One': '1'}})`, "cors 200 GET by nobody"),
		app("Authorization is covered by * with credentials, which make it no wildcard",
			`call('API/wild/a', {credentials: 'include', headers: {'Authorization': 'x'}})`, "cors 200 GET by nobody"),
		app("signing in with credentials", `call('API/app/sign-in'`+whole+`)`, "cors 200 GET by nobody"),
		app("credentials go along and the answer is read", `call('API/app/a'`+whole+`)`, "cors 200 GET by anna"),
		app("credentials go along with a preflighted request", `call('API/app/a', {method: 'DELETE', credentials: 'include'})`, "cors 200 DELETE by anna"),
		app("credentials stay at home by default", `call('API/app/a')`, "cors 200 GET by nobody"),
		app("credentials go along with XMLHttpRequest", `xhr('API/app/a', true)`, "200 7 GET by anna"),
		app("credentials are not shared where everybody may read", `call('API/open/a'`+whole+`)`, "refused"),
		app("an exposed header is seen, another is not", `call('API/app/a', {}, ['x-total', 'x-hidden'])`, "cors 200 x-total=7 x-hidden=null GET by nobody"),
		app("* exposes all headers", `call('API/open/a', {}, ['x-total', 'x-hidden'])`, "cors 200 x-total=7 x-hidden=8 GET by nobody"),
		app("what is not exposed is not seen, a safelisted header is", `call('API/wild/a', {}, ['x-total', 'content-type'])`, "cors 200 x-total=null content-type=text/plain GET by nobody"),
		app("a redirect within the API is followed and read", `call('API/app/moved')`, "cors 200 redirected GET by nobody"),
		logged(app("a preflighted request follows a redirect", `call('API/app/moved', `+put+`)`, "cors 200 redirected PUT by nobody"), "/app/new",
			"GET 200", "OPTIONS 204", "PUT 200"),
		app("after a redirect between origins the origin is null, and not allowed", `call('API/app/away')`, "refused"),
		app("after a redirect between origins null may be allowed", `call('API/app/to-null')`, "cors 200 redirected GET by nobody"),
		app("a page in a sandbox has the origin null, and is refused", `sandboxed('API/app/a', {})`, "refused"),
		app("a page in a sandbox may be allowed as null", `sandboxed('API/null/a', `+put+`)`, "cors 200 PUT by nobody"),
		app("the status of a dead upstream is read", `call('API/app/dead').then(s => s.slice(0, 8))`, "cors 503"),
		app("the status of a direct response is read", `call('API/app/gone')`, "cors 410"),
		app("the status of the filter's own refusal is read",
			`(() => { const f = new FormData(); f.append('file', new Blob(['GIF89a'], {type: 'application/pdf'}), 'a.pdf');`+
				` return call('API/files/a', {method: 'POST', body: f}); })().then(s => s.slice(0, 8))`, "cors 415"),
		app("the application decides where cors is off", `call('API/own/a')`, "cors 200 GET by nobody"),
		app("a module of the API loads", `load('API/app/module')`, "loaded"),
		app("an image is kept by CORP, and shown by CORS",
			`image('API/app/image', '').then(a => image('API/app/image', 'anonymous').then(b => a + ', ' + b))`, "refused, shown"),
		evil("another site's simple request is not read", `call('API/app/a')`, "refused"),
		logged(evil("another site's simple request arrives all the same", `call('API/app/arrives', {method: 'POST', body: 'x'})`, "refused"), "/app/arrives", "POST 200"),
		logged(evil("another site's preflighted request does not arrive", `call('API/app/stays', `+put+`)`, "refused"), "/app/stays", "OPTIONS 403"),
		evil("another site's credentials are not read", `call('API/app/a'`+whole+`)`, "refused"),
		evil("another site cannot read the status of a dead upstream", `call('API/app/dead')`, "refused"),
		evil("another site loads no module", `load('API/app/module')`, "refused"),
		evil("another site reads what is open", `call('API/open/a')`, "cors 200 GET by nobody"),
		evil("another site loads a module that is open", `load('API/open/module')`, "loaded"),
		evil("another site's opaque request: CORP keeps the answer from it", `call('API/app/a', {mode: 'no-cors'})`, "refused"),
		evil("another site's opaque request where the application decides", `call('API/own/a', {mode: 'no-cors'})`, "opaque 0"),
		// Local Network Access, which has taken the place of Private Network
		// Access: the browser asks a person instead of the server.
		{name: "private network: without a person's permission nothing leaves the browser", page: s.public, do: `call('API/private/no', ` + put + `)`,
			want: "refused", path: "/private/no"},
		{name: "private network: with it, CORS decides as ever", page: s.public, do: `call('API/private/a', ` + put + `)`,
			want: "cors 200 PUT by nobody", path: "/private/a", log: []string{"OPTIONS 204", "PUT 200"}, grant: "loopback-network"},
		{name: "private network: with it, what CORS refuses stays refused", page: s.public, do: `call('API/private/patch', {method: 'PATCH'})`,
			want: "refused", path: "/private/patch", log: []string{"OPTIONS 403"}},
	}
}
