// The work of renewd as jobs of pg-boss: one job a renewal. `prepare` enqueues all that is due; `work` works them off,
// and ends with the last one.
// CommonJS, because its packages are found by NODE_PATH: they are installed outside the tree.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const pg = require('pg')
const PgBoss = require('pg-boss')
const { Agent, request, setGlobalDispatcher } = require('undici')

const QUEUE = 'renewals'
const setting = (name, otherwise) => Number(process.env[name] ?? otherwise)
const slots = setting('CONCURRENCY', 64)
const batch = setting('PGBOSS_BATCH', 32)
const sql = (path) => readFileSync(join(__dirname, path), 'utf8')
const intend = { name: 'intend', text: sql('../intend.sql') }
const settle = { name: 'settle', text: sql('../../bare/settle_postgres.sql') }

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: setting('PGBOSS_CONNECTIONS', 8) })
const db = { executeSql: (text, values) => pool.query(text, values) }
// Nothing is watched or scheduled beside the work.
const boss = new PgBoss({ db, supervise: false, schedule: false })
setGlobalDispatcher(new Agent({ connections: slots }))

async function enqueue () {
  await boss.createQueue(QUEUE)
  const due = await pool.query("SELECT id::int FROM renewals WHERE state = 'due' ORDER BY id")
  await boss.insert(due.rows.map(({ id }) => ({ name: QUEUE, data: { renewal: id } })))
  await pool.query('ANALYZE')
}

// As many batches beside each other as fill the slots. `boss.work` would wait half a second at least between batches.
async function work () {
  await Promise.all(Array.from({ length: Math.max(1, Math.round(slots / batch)) }, workOff))
}

async function workOff () {
  for (;;) {
    const jobs = await boss.fetch(QUEUE, { batchSize: Math.min(batch, slots) })
    if (jobs.length === 0) return
    await Promise.all(jobs.map((job) => renew(job.data.renewal)))
    await boss.complete(QUEUE, jobs.map((job) => job.id))
  }
}

async function renew (renewal) {
  const intended = await pool.query({ ...intend, values: [renewal] })
  const { payment_id: paymentId, idempotency_key: key, request_body: body } = intended.rows[0]
  const payment = `${process.env.PORTONE_API_BASE}/payments/${paymentId}`
  const headers = { 'content-type': 'application/json', 'idempotency-key': `"${key}"` }
  await answer(`${payment}/billing-key`, { method: 'POST', headers, body })
  const seen = await answer(`${payment}?storeId=store-simulator`, {})
  if (seen.status !== 'PAID') throw new Error(`renewal ${renewal} is ${seen.status}, and not paid`)
  await pool.query({ ...settle, values: [[renewal], [seen.transactionId]] })
}

async function answer (url, options) {
  const headers = { ...options.headers, authorization: 'PortOne simulator-secret' }
  const { statusCode, body } = await request(url, { ...options, headers })
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}: ${await body.text()}`)
  return body.json()
}

async function main () {
  await boss.start()
  await { prepare: enqueue, work }[process.argv[2]]()
  await boss.stop({ graceful: false })
  await pool.end()
}

main()
