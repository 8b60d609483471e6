-- Stores a new session, unless its key is taken: then it was revoked between
-- entering the user's index and now (or two tokens are equal, which cannot be).
-- KEYS[1] the session   ARGV[1] ms to keep it, then field, value, ...
-- Returns 1, or 0 if the key was taken.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
