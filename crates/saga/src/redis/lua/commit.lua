-- Removes the events whose effect is committed.
-- KEYS  1 due, then for each window: pending, lock
-- ARGV  1 length of the pending keys' prefix, 2 leak guard in s,
--       then for each window: owner token, number of event ids, event ids
-- Returns 1.
--
-- Invariant: only the events named go. A window that has others left stays, and its leak guard starts again; it is due at
-- once if the lock was still ours, else whoever holds it sees to it. Nobody else's lock is freed. The first write is HDEL,
-- so a full Redis does not refuse. Repeating it changes nothing.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local freed, gone = {}, {}
local pendings, locks, held = {}, {}, {}
for k = 2, #KEYS, 2 do
  pendings[#pendings + 1] = KEYS[k]
  locks[#locks + 1] = KEYS[k + 1]
end
for from = 1, #locks, 1000 do
  local owners = redis.call('MGET', unpack(locks, from, math.min(from + 999, #locks)))
  for i, owner in ipairs(owners) do
    held[from + i - 1] = owner
  end
end
local at = 3
local tokens = {}
for w, pending in ipairs(pendings) do
  tokens[w] = ARGV[at]
  local first = at + 2
  local behind = first + ARGV[at + 1]
  redis.call('HDEL', pending, 'failures', unpack(ARGV, first, math.min(first + 999, behind - 1)))
  for from = first + 1000, behind - 1, 1000 do
    redis.call('HDEL', pending, unpack(ARGV, from, math.min(from + 999, behind - 1)))
  end
  at = behind
end
-- Asked once for all, since most windows have no others left.
local left = 0
for from = 1, #pendings, 1000 do
  left = left + redis.call('EXISTS', unpack(pendings, from, math.min(from + 999, #pendings)))
end
for w, pending in ipairs(pendings) do
  local key = string.sub(pending, ARGV[1] + 1)
  local mine = held[w] == tokens[w]
  if mine then
    freed[#freed + 1] = locks[w]
  end
  if left == 0 or redis.call('EXPIRE', pending, ARGV[2]) == 0 then
    gone[#gone + 1] = key
  elseif mine then
    redis.call('ZADD', KEYS[1], now, key)
  end
end
for from = 1, #freed, 1000 do
  redis.call('DEL', unpack(freed, from, math.min(from + 999, #freed)))
end
for from = 1, #gone, 1000 do
  redis.call('ZREM', KEYS[1], unpack(gone, from, math.min(from + 999, #gone)))
end
return 1
