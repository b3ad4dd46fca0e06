//! What the handlers work with.

use std::sync::Arc;

use actix_web::HttpRequest;
use async_trait::async_trait;
use cardwire_atproto::Agents;
use cardwire_domain::analytics::Analytics;
use cardwire_domain::collection::CollectionRepository;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::imports::ImportRepository;
use cardwire_domain::library::{LibraryCard, LibraryFilter, LibraryRepository};
use cardwire_domain::metadata::PageRepository;
use cardwire_domain::pictures::PictureRepository;
use cardwire_domain::public::{ListedCollection, PublicRepository, RelatedLink};
use cardwire_domain::quotas::Quotas;
use cardwire_domain::records::RecordRepository;
use cardwire_domain::search::{CollectionFound, Found, PersonFound, SearchIndex, SearchRequest};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{Page, PageRequest, Store, UserId};

use crate::accounts::Accounts;
use crate::auth::Authenticator;
use crate::limit::{Reads, Writes};
use crate::live::Live;
use crate::operations::Operations;
use crate::origin::PublicUrl;
use crate::places::Places;
use crate::problem::Problem;
use crate::searches::{Searcher, Searches};
use crate::uploads::Uploads;

/// Whether this process can serve.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// `Err` says what is away, in words for an operator.
    async fn check(&self) -> Result<(), String>;
}

/// One for the whole process: every server thread gets a clone.
#[derive(Clone)]
pub struct AppState {
    pub store: Arc<dyn Store>,
    pub library: Arc<dyn LibraryRepository>,
    pub pages: Arc<dyn PageRepository>,
    pub pictures: Arc<dyn PictureRepository>,
    pub collections: Arc<dyn CollectionRepository>,
    pub feed: Arc<dyn FeedRepository>,
    pub public: Arc<dyn PublicRepository>,
    /// Through [`AppState::find`], which bounds how many run at once.
    pub search: Arc<dyn SearchIndex>,
    pub searches: Searches,
    pub analytics: Arc<dyn Analytics>,
    pub imports: Arc<dyn ImportRepository>,
    pub uploads: Uploads,
    pub exports: Places,
    pub writes: Writes,
    pub quotas: Quotas,
    pub reads: Reads,
    pub accounts: Accounts,
    pub authenticator: Arc<dyn Authenticator>,
    /// What this site does in the AT Protocol network. `None`: nothing.
    pub agents: Option<Agents>,
    pub records: Arc<dyn RecordRepository>,
    pub readiness: Arc<dyn Readiness>,
    pub live: Live,
    pub operations: Operations,
    pub public_url: PublicUrl,
    /// Origins of other sites whose scripts may use the API.
    pub cors_origins: Arc<[String]>,
}

impl AppState {
    /// Searches, unless too many others do.
    pub async fn find(
        &self,
        request: &HttpRequest,
        asked: &SearchRequest,
        page: &PageRequest,
    ) -> Result<Found, Problem> {
        self.when_there_is_room(request, asked.reader.as_ref(), self.search.search(asked, page)).await
    }

    /// As [`Self::find`], people by their names.
    pub async fn find_people(
        &self,
        request: &HttpRequest,
        reader: Option<&UserId>,
        text: &str,
    ) -> Result<Vec<PersonFound>, Problem> {
        self.when_there_is_room(request, reader, self.search.find_people(text)).await
    }

    /// As [`Self::find`], public collections by their names.
    pub async fn find_collections(
        &self,
        request: &HttpRequest,
        reader: Option<&UserId>,
        text: &str,
    ) -> Result<Vec<CollectionFound>, Problem> {
        self.when_there_is_room(request, reader, self.search.find_collections(text)).await
    }

    /// A person's cards. With words to find them by it is a search like [`Self::find`].
    pub async fn find_kept(
        &self,
        request: &HttpRequest,
        owner: &UserId,
        filter: &LibraryFilter,
        page: &PageRequest,
    ) -> Result<Page<LibraryCard>, Problem> {
        let cards = self.library.library(owner, filter, page);
        match filter.text {
            Some(_) => self.when_there_is_room(request, Some(owner), cards).await,
            None => Ok(cards.await?),
        }
    }

    /// Everybody's public collections. As many are looked at as there are, so it counts as a search.
    pub async fn browse_collections(
        &self,
        request: &HttpRequest,
        reader: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<ListedCollection>, Problem> {
        self.when_there_is_room(request, reader, self.public.public_collections(None, page)).await
    }

    /// Links that are public together with this one. It reads much for what it tells, so it counts as a search.
    pub async fn find_related(
        &self,
        request: &HttpRequest,
        reader: Option<&UserId>,
        url: &CardUrl,
        limit: usize,
    ) -> Result<Vec<RelatedLink>, Problem> {
        self.when_there_is_room(request, reader, self.public.related(url, limit)).await
    }

    async fn when_there_is_room<T>(
        &self,
        request: &HttpRequest,
        reader: Option<&UserId>,
        search: impl Future<Output = cardwire_domain::Result<T>>,
    ) -> Result<T, Problem> {
        let searcher = Searcher::of(reader, self.accounts.client_address(request));
        Ok(self.searches.run(searcher, search).await??)
    }
}
