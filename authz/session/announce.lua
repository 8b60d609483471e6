-- Counts a revocation and tells every replica. The count is a time in ms where it can be, and always grows.
-- KEYS[1] the revocations   ARGV [1] channel, [2] whom: "u" and a handle, "t:" and a tenant, or "*",
-- [3] "1": it is a generation, which lookups compare sessions with, [4] ms after which a generation is history
local before = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local seq = string.format('%.0f', math.max(before + 1, now))
redis.call('HSET', KEYS[1], 'seq', seq)
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], ARGV[2], seq)
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    if fields[i] ~= 'seq' and fields[i] ~= '*' and now - tonumber(fields[i + 1]) > tonumber(ARGV[4]) then
      redis.call('HDEL', KEYS[1], fields[i])
    end
  end
end
redis.call('PUBLISH', ARGV[1], string.format('%.0f', before) .. ' ' .. seq .. ' ' .. ARGV[2])
return seq
