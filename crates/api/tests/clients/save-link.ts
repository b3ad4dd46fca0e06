// What somebody writes who has nothing but the OpenAPI document: its types are made from it, and the compiler holds this file to them.
import createClient from 'openapi-fetch';
import type { components, paths } from './built/api.js';

const [base] = process.argv.slice(2);
if (base === undefined) throw new Error('usage: node save-link.js http://127.0.0.1:8080');

type Problem = components['schemas']['Problem'];

function fail(problem: Problem | undefined): never {
    throw new Error(problem === undefined ? 'no answer' : `${problem.status} ${problem.type}: ${problem.detail}`);
}

const anonymous = createClient<paths>({ baseUrl: base });
const person = { handle: `client-${process.pid}`, password: 'a password that nobody has' };
const signedUp = await anonymous.POST('/api/users', { body: person });
if (signedUp.data === undefined) fail(signedUp.error);
const session = await anonymous.POST('/api/users/login', { body: person });
if (session.data === undefined) fail(session.error);

const client = createClient<paths>({ baseUrl: base, headers: { authorization: `Bearer ${session.data.accessToken}` } });
const url = 'https://example.com/from-a-generated-client';
const saved = await client.POST('/api/cards/library/urls', {
    params: { header: { 'Idempotency-Key': 'once' } },
    body: { url, note: 'Read this again.' },
});
if (saved.data === undefined) fail(saved.error);
const card: string = saved.data.urlCardId;

const library = await client.GET('/api/cards/my', { params: { query: { limit: 10 } } });
if (library.data === undefined) fail(library.error);
const [kept] = library.data.items;
if (kept?.id !== card || kept.url !== url || kept.note?.text !== 'Read this again.') {
    throw new Error(`the library holds ${JSON.stringify(library.data.items)}`);
}

// A refusal is what the document says it is.
const refused = await client.POST('/api/cards/library/urls', { body: { url: 'ftp://example.com/' } });
if (refused.data !== undefined || refused.response.status !== 422 || refused.error.field !== 'url') {
    throw new Error(`ftp was answered with ${refused.response.status}`);
}
const removed = await client.DELETE('/api/cards/{id}/library', { params: { path: { id: card } } });
if (removed.data === undefined) fail(removed.error);
console.log(`saved, listed and removed ${card}`);
