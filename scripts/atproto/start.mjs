// For tests: `node start.mjs plc` runs a directory of identities, `node start.mjs pds` a server of repositories that asks it, both on
// loopback. PLC_PORT, PDS_PORT and PDS_DATA say where; PDS_RATE_LIMITS=true has the server keep its real budgets; PDS_TOKENS_FOR_S is how long
// its access tokens of OAuth are good, in seconds (an hour unless told).
import { createRequire } from 'node:module'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const { PLC_PORT, PDS_PORT, PDS_DATA, PDS_RATE_LIMITS, PDS_TOKENS_FOR_S } = process.env

async function plc() {
  const directory = createRequire(import.meta.url)('@did-plc/server')
  await directory.PlcServer.create({ db: directory.Database.mock(), port: Number(PLC_PORT) }).start()
}

// The same one after a restart.
function secret(name) {
  const file = path.join(PDS_DATA, name)
  if (!fs.existsSync(file)) fs.writeFileSync(file, randomBytes(32).toString('hex'))
  return fs.readFileSync(file, 'utf8')
}

async function pds() {
  const { PDS } = await import('@atproto/pds')
  const blobs = path.join(PDS_DATA, 'blobs')
  fs.mkdirSync(blobs, { recursive: true })
  const server = await PDS.fromEnv({
    devMode: true,
    hostname: 'localhost',
    port: Number(PDS_PORT),
    dataDirectory: PDS_DATA,
    blobstoreDiskLocation: blobs,
    didPlcUrl: `http://localhost:${PLC_PORT}`,
    serviceHandleDomains: ['.test'],
    inviteRequired: false,
    rateLimitsEnabled: PDS_RATE_LIMITS === 'true',
    disableSsrfProtection: true,
    crawlers: [],
    jwtSecret: 'a secret of tests',
    adminPassword: 'a password of tests',
    dpopSecret: secret('dpop'),
    plcRotationKeyK256PrivateKeyHex: secret('rotation'),
    bskyAppViewUrl: 'https://appview.invalid',
    bskyAppViewDid: 'did:example:invalid',
  })
  // It has no setting for this.
  if (PDS_TOKENS_FOR_S) server.ctx.oauthProvider.tokenManager.tokenMaxAge = 1000 * Number(PDS_TOKENS_FOR_S)
  await server.start()
  process.on('SIGTERM', async () => {
    await server.destroy()
    process.exit(0)
  })
}

await { plc, pds }[process.argv[2]]()
