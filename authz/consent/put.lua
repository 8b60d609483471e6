-- Writes an entry of the ledger of consents unless a newer one is there.
-- KEYS[1] a user's consents; ARGV: purpose, number of the entry, state.
local has = redis.call('HGET', KEYS[1], ARGV[1])
if has and tonumber(string.match(has, '^%d+')) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
return 1
