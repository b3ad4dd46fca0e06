//! A path and the methods it answers, so that every other method is told which.

use actix_web::http::{Method, header};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, guard, web};

use crate::problem::Problem;

/// GET answers HEAD too; OPTIONS tells the methods; anything else is 405. Both carry `Allow`.
pub struct Endpoint {
    resource: Resource,
    allow: Vec<&'static str>,
}

impl Endpoint {
    pub fn at(path: &str) -> Self {
        Self { resource: web::resource(path), allow: Vec::new() }
    }

    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let get_or_head = guard::Any(guard::Get()).or(guard::Head());
        self.resource = self.resource.route(web::route().guard(get_or_head).to(handler));
        self.allow.extend(["GET", "HEAD"]);
        self
    }

    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::POST, "POST", handler)
    }

    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::PUT, "PUT", handler)
    }

    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::DELETE, "DELETE", handler)
    }

    pub fn register(self, config: &mut web::ServiceConfig) {
        let allow = format!("{}, OPTIONS", self.allow.join(", "));
        let other = move |method: Method| {
            let allow = allow.clone();
            async move {
                match method {
                    Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish()),
                    _ => Err(Problem::method_not_allowed(allow)),
                }
            }
        };
        config.service(self.resource.default_service(web::to(other)));
    }

    fn method<F, Args>(mut self, method: Method, name: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::method(method).to(handler));
        self.allow.push(name);
        self
    }
}
