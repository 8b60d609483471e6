package login

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"gatehouse/authz/event/box"
	"gatehouse/authz/login/code"
	"gatehouse/authz/login/totp"
)

// sealSecret keeps the secret of an app out of a stolen store: it opens under
// the deployment's key, for this user alone.
func (k keys) sealSecret(secret []byte, userID string) (string, error) {
	sealed, err := box.Seal(k.secrets, secret, "totp:"+userID)
	if err != nil {
		return "", fmt.Errorf("seal the secret of an authenticator app: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

func (k keys) openSecret(text, userID string) ([]byte, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		var secret []byte
		if secret, err = box.Open(k.secrets, sealed, "totp:"+userID); err == nil {
			return secret, nil
		}
	}
	return nil, fmt.Errorf("%w: the secret of an authenticator app does not open: give authz the key that it had: %w", ErrUnavailable, err)
}

// checkCode says whether text is a code of the user's app, or one of their
// recovery codes, and uses it up. rule names which.
func (h *handler) checkCode(ctx context.Context, user User, text string) (rule string, ok bool, err error) {
	if digits, is := totp.Read(text); is {
		ok, err = h.checkTOTP(ctx, user, digits)
		return "totp", ok, err
	}
	recovery, is := code.ReadRecovery(text)
	if !is {
		return "", false, nil
	}
	_, err = h.Accounts.SpendCredential(ctx, KindRecovery, code.HashRecovery(h.keys.recovery, user.ID, recovery))
	if errors.Is(err, ErrNoCredential) {
		return "recovery_code", false, nil
	}
	if err != nil {
		return "recovery_code", false, fmt.Errorf("%w: spend a recovery code: %w", ErrUnavailable, err)
	}
	return "recovery_code", true, nil
}

func (h *handler) checkTOTP(ctx context.Context, user User, digits string) (bool, error) {
	all, err := h.Accounts.Credentials(ctx, user.ID)
	if err != nil {
		return false, fmt.Errorf("%w: read the user's factors: %w", ErrUnavailable, err)
	}
	for _, c := range all {
		if c.Kind != KindTOTP || !c.Active {
			continue
		}
		if ok, err := h.useTOTP(ctx, c, digits); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// useTOTP uses a step up: whoever looks over a shoulder comes too late (ASVS 5.0
// 6.5.1).
func (h *handler) useTOTP(ctx context.Context, c Credential, digits string) (bool, error) {
	secret, err := h.keys.openSecret(c.Data, c.UserID)
	if err != nil {
		return false, err
	}
	step, ok := totp.Check(secret, digits, h.Now(), c.Counter)
	if !ok {
		return false, nil
	}
	used, err := h.Accounts.UseCredential(ctx, c.ID, step, "")
	if err != nil {
		return false, fmt.Errorf("%w: use a step up: %w", ErrUnavailable, err)
	}
	return used, nil
}

// newRecoveryCodes replaces a user's recovery codes.
func (h *handler) newRecoveryCodes(ctx context.Context, userID string) ([]string, error) {
	codes := code.NewRecovery()
	added := make([]Credential, len(codes))
	for i, c := range codes {
		added[i] = Credential{
			ID: code.NewID(), UserID: userID, Kind: KindRecovery, Lookup: code.HashRecovery(h.keys.recovery, userID, c), Active: true,
		}
	}
	return codes, h.Accounts.ReplaceCredentials(ctx, userID, KindRecovery, added...)
}
