-- Ends a session. What it was stays for a while, so that a refusal can say why.
-- KEYS[1] the session
-- ARGV[1] now, [2] ms for which an ended session is remembered; [3] "1": mark also a key that does not exist yet
-- Returns {verdict, field, value, ...}: "revoked" if it was live until now, else "none".
local fields = redis.call('HGETALL', KEYS[1])
local s = {}
for i = 1, #fields, 2 do s[fields[i]] = fields[i + 1] end
if s.end_ then return {'none'} end
if #fields == 0 then
  if ARGV[3] == '1' then
    redis.call('HSET', KEYS[1], 'end_', 'revoked')
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
  return {'none'}
end
local now = tonumber(ARGV[1])
redis.call('HSET', KEYS[1], 'end_', 'revoked')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if now >= tonumber(s.x) or now - tonumber(s.l) >= tonumber(s.i) then return {'none'} end
return {'revoked', unpack(fields)}
