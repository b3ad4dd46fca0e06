-- Locks windows and returns what is in them.
-- KEYS  1 due
-- ARGV  1 prefix of lock keys, 2 prefix of pending keys, 3 owner token, 4 most windows, 5 lock in ms,
--       6 `due` or `all`, 7 most events
-- Returns how many due windows somebody else holds, then for each window {key, ms it is late, fields and values}; longest due first.
--
-- The locks and windows are found in `due`, so they cannot be declared; in Cluster they share its hash tag.
--
-- Invariant: a window that is returned is locked by this token and due again when the lock expires. One that somebody
-- else holds is put off until that lock expires, so it stands in nobody's way. A due time without events is removed.
-- The first write frees memory (ZREM, UNLINK), so a full Redis lets the rest through.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lock_ms = tonumber(ARGV[5])
local most_events = tonumber(ARGV[7])
local last = ARGV[6] == 'all' and '+inf' or string.format('%.0f', now)

local function put_off(key, ms)
  redis.call('ZREM', KEYS[1], key)
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ms), key)
end

local claimed = {}
local contended = 0
local events = 0
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', last, 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #due, 2 do
  local key = due[i]
  local lock = ARGV[1] .. key
  local pending = ARGV[2] .. key
  local left = redis.call('PTTL', lock)
  if left ~= -2 then
    contended = contended + 1
    put_off(key, left > 0 and left or lock_ms)
  else
    local size = redis.pcall('HLEN', pending)
    if type(size) ~= 'number' then
      -- Not a window of ours. The ledger has whatever it may have been.
      redis.call('UNLINK', pending)
      redis.call('ZREM', KEYS[1], key)
    elseif size == 0 then
      redis.call('ZREM', KEYS[1], key)
    else
      events = events + size
      if events > most_events and #claimed > 0 then
        break
      end
      put_off(key, lock_ms)
      redis.call('SET', lock, ARGV[3], 'PX', ARGV[5])
      claimed[#claimed + 1] = {key, string.format('%.0f', now - due[i + 1]), redis.call('HGETALL', pending)}
    end
  end
end
table.insert(claimed, 1, contended)
return claimed
