-- Says how long until something is due. Reads only.
-- KEYS  1 due
-- Returns ms, 0 when something is due, nil when no window is open.
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then
  return nil
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return math.max(0, first[2] - now)
