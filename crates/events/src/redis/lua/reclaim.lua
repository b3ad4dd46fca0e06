-- Turns the entries of expired leases into suspects. Called twice: without batches it names the expired ones, so that
-- their keys can be declared; with them it moves those that are still expired.
-- KEYS  1 leases, 2 suspect, 3 bell, 4... claims of the batches
-- ARGV  the batches
-- Returns up to 100 names of expired batches; or how many entries were moved.
--
-- Invariant: an entry leaves the claim in the same script that makes it a suspect. It goes to the push end, so suspects
-- take turns. A batch whose claim is gone or is no list only loses its lease: one odd key must not stop the rest.
-- ZREM comes first, since it frees memory: a full Redis then lets the rest through (see claim.lua).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if #ARGV == 0 then
  return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, 100)
end

redis.call('LLEN', KEYS[2])
local silent = redis.call('LLEN', KEYS[3]) == 0
local moved = 0
for index, batch in ipairs(ARGV) do
  local deadline = redis.call('ZSCORE', KEYS[1], batch)
  if deadline and tonumber(deadline) <= now then
    redis.call('ZREM', KEYS[1], batch)
    local claim = KEYS[index + 3]
    while redis.call('TYPE', claim).ok == 'list' do
      local entries = redis.call('LPOP', claim, 100)
      redis.call('LPUSH', KEYS[2], unpack(entries))
      moved = moved + #entries
    end
  end
end
if silent and moved > 0 then
  redis.call('LPUSH', KEYS[3], '1')
end
return moved
