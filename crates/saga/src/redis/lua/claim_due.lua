-- Locks windows and returns what is in them.
-- KEYS  1 due
-- ARGV  1 prefix of lock keys, 2 prefix of pending keys, 3 owner token, 4 most windows, 5 lock in ms,
--       6 `due` or `all`, 7 most events, 8 fields that make a window large
-- Returns how many due windows somebody else holds, then for each window {key, ms it is late, 1 if it is large else 0, fields and
-- values}; longest due first. Of a large one only its failures are told: whoever holds it reads the rest bit by bit, so no answer
-- holds all of it and nobody else waits for one.
--
-- The locks and windows are found in `due`, so they cannot be declared; in Cluster they share its hash tag.
--
-- Invariant: a window that is returned is locked by this token and due again when the lock has expired. One that somebody
-- else holds is put off until that lock has expired, so it stands in nobody's way; a lock that never expires is given its time
-- here. A lock lives through its last millisecond, in which PTTL is 0. A due time without events is removed.
-- The first write frees memory (ZREM, UNLINK), so a full Redis lets the rest through. New due times are written together.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lock_ms = tonumber(ARGV[5])
local most_events = tonumber(ARGV[7])
local large = tonumber(ARGV[8])
local last = ARGV[6] == 'all' and '+inf' or string.format('%.0f', now)

local put_off = {}

local claimed = {}
local contended = 0
local events = 0
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', last, 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #due, 2 do
  local key = due[i]
  local lock = ARGV[1] .. key
  local pending = ARGV[2] .. key
  local size = redis.pcall('HLEN', pending)
  if type(size) == 'table' then
    -- Not a window of ours. The ledger has whatever it may have been.
    redis.call('UNLINK', pending)
    redis.call('ZREM', KEYS[1], key)
  elseif size == 0 then
    redis.call('ZREM', KEYS[1], key)
  elseif events + size > most_events and #claimed > 0 then
    break
  else
    local late = now - due[i + 1]
    if #put_off == 0 then
      redis.call('ZREM', KEYS[1], key)
    end
    local left = lock_ms
    if redis.call('SET', lock, ARGV[3], 'NX', 'PX', lock_ms) then
      events = events + size
      if size < large then
        claimed[#claimed + 1] = {key, string.format('%.0f', late), 0, redis.call('HGETALL', pending)}
      else
        local failures = redis.call('HGET', pending, 'failures')
        claimed[#claimed + 1] = {key, string.format('%.0f', late), 1, failures and {'failures', failures} or {}}
      end
    else
      contended = contended + 1
      left = redis.call('PTTL', lock)
      if left == -1 then
        redis.call('PEXPIRE', lock, lock_ms)
        left = lock_ms
      end
    end
    put_off[#put_off + 1] = string.format('%.0f', now + left + 1)
    put_off[#put_off + 1] = key
  end
end
for from = 1, #put_off, 1000 do
  redis.call('ZADD', KEYS[1], unpack(put_off, from, math.min(from + 999, #put_off)))
end
table.insert(claimed, 1, contended)
return claimed
