//! A browser without scripts: it keeps cookies, follows redirects, and sends the forms that it finds on a page.

use std::collections::BTreeMap;

use actix_web::cookie::Cookie;
use actix_web::test::TestRequest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use scraper::{ElementRef, Html, Selector};

use crate::harness::{Answer, Api};

pub struct Browser<'a> {
    api: &'a Api,
    pub cookies: BTreeMap<String, String>,
    /// The last page.
    pub page: Html,
    /// Where it is.
    pub path: String,
}

pub use crate::harness::HOST;

impl<'a> Browser<'a> {
    pub fn new(api: &'a Api) -> Self {
        Self { api, cookies: BTreeMap::new(), page: Html::new_document(), path: String::new() }
    }

    /// With mock authentication: signed in as this person.
    pub fn of(api: &'a Api, person: &str) -> Self {
        let mut browser = Self::new(api);
        browser.cookies.insert("__Host-session".into(), format!("did:plc:{person}"));
        browser
    }

    pub fn request(&self, request: TestRequest) -> TestRequest {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request
            .insert_header(("host", HOST))
            .insert_header(("accept", "text/html,application/xhtml+xml,*/*;q=0.8"))
            .insert_header(("cookie", cookies.join("; ")))
    }

    /// Sends it, keeps the cookies of the answer, follows where it leads.
    pub async fn send(&mut self, request: TestRequest) -> Answer {
        let mut answer = self.api.send(self.request(request)).await;
        self.keep_cookies(&answer);
        for _ in 0..3 {
            if answer.status.as_u16() != 303 {
                break;
            }
            self.path = answer.header("location").to_owned();
            answer = self.api.send(self.request(TestRequest::get().uri(&self.path))).await;
            self.keep_cookies(&answer);
        }
        self.page = Html::parse_document(&String::from_utf8_lossy(&answer.body));
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let cookie = Cookie::parse(line.to_str().unwrap().to_owned()).unwrap();
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.path = path.to_owned();
        self.send(TestRequest::get().uri(path)).await
    }

    /// The page at `path`, which must be there.
    pub async fn open(&mut self, path: &str) {
        let answer = self.get(path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// What the form of the page with this action would send, each field as it is drawn.
    pub fn form(&self, action: &str) -> Vec<(String, String)> {
        let form = self.one(&format!("form[method=post][action=\"{action}\"]"));
        let selector = Selector::parse("input, textarea").unwrap();
        let field = |element: ElementRef<'_>| {
            let name = element.attr("name")?.to_owned();
            let value = match element.attr("type") {
                Some("checkbox" | "radio") if element.attr("checked").is_none() => return None,
                _ if element.value().name() == "textarea" => element.text().collect(),
                _ => element.attr("value").unwrap_or_default().to_owned(),
            };
            Some((name, value))
        };
        form.select(&selector).filter_map(field).collect()
    }

    /// Fills the form of the page with this action, and sends it.
    pub async fn submit(&mut self, action: &str, filled: &[(&str, &str)]) -> Answer {
        let mut fields = self.form(action);
        for (name, value) in filled {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.path = action.to_owned();
        let request = post(action, &fields);
        let request = match &self.api.state.public_url.0 {
            Some(url) => request.insert_header(("origin", url.origin().ascii_serialization())),
            None => request,
        };
        self.send(request).await
    }

    /// The only element of the page that fits.
    #[track_caller]
    pub fn one(&self, selector: &str) -> ElementRef<'_> {
        let parsed = Selector::parse(selector).unwrap();
        let found: Vec<_> = self.page.select(&parsed).collect();
        assert_eq!(found.len(), 1, "{selector} on {}: {}", self.path, self.page.html());
        found[0]
    }

    pub fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        self.page.select(&Selector::parse(selector).unwrap()).collect()
    }

    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        self.one(selector).text().collect::<String>().trim().to_owned()
    }
}

/// A form as a browser sends it from a page of this site.
pub fn post(path: &str, fields: &[(String, String)]) -> TestRequest {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    TestRequest::post()
        .uri(path)
        .insert_header(("origin", format!("https://{HOST}")))
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload(pairs.join("&"))
}
