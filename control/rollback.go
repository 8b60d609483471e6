package control

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatehouse/control/policy"
)

// KeptPolicy is a policy that was live and whose source is kept.
type KeptPolicy struct {
	// Version is that of its meaning, 16 hexadecimal digits.
	Version string `json:"version"`
	// Since is when it went live.
	Since time.Time `json:"since"`

	path string
}

// KeptPolicies lists the last good policies under control's state folder, the
// newest first. A policy that went live twice is listed twice.
func KeptPolicies(stateDir string) ([]KeptPolicy, error) {
	h := history{dir: filepath.Join(stateDir, "policies")}
	names, err := h.list()
	if err != nil {
		return nil, err
	}
	var kept []KeptPolicy
	for _, name := range slices.Backward(names) {
		stamp, version, _ := strings.Cut(strings.TrimSuffix(name, ".yaml"), "-")
		since, err := time.Parse(historyStamp, stamp)
		if err != nil {
			continue // not a name that keep gives
		}
		kept = append(kept, KeptPolicy{Version: version, Since: since, path: filepath.Join(h.dir, name)})
	}
	return kept, nil
}

// Rollback is a way back to an earlier policy, not gone yet.
type Rollback struct {
	// Target is where it leads to, From the version of the file as it stands;
	// empty if the file is no policy, which is a reason to go back.
	Target KeptPolicy
	From   string

	config string
	source []byte
}

// PlanRollback finds the policy to go back to, and changes nothing. Without a
// version that is the newest which means something else than the file does now:
// after a good edit the one before it, after a broken edit the one that is
// live, and after a rollback the one that was rolled back. A version may be
// given by its beginning.
func PlanRollback(stateDir, config, version string) (*Rollback, error) {
	kept, err := KeptPolicies(stateDir)
	if err != nil {
		return nil, err
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("no policy is kept under %s: pass --state-dir, the folder of control or of the whole pack", filepath.Join(stateDir, "policies"))
	}
	// A link, such as a ConfigMap's, is followed: it must stay one.
	if real, err := filepath.EvalSymlinks(config); err == nil {
		config = real
	}
	r := &Rollback{config: config, From: versionOfFile(config)}
	if r.Target, err = choose(kept, version, r.From); err != nil {
		return nil, err
	}
	if r.source, err = os.ReadFile(r.Target.path); err != nil {
		return nil, fmt.Errorf("read a kept policy: %w", err)
	}
	compiled, err := policy.Load(r.Target.path, r.source)
	if err != nil {
		return nil, fmt.Errorf("the kept policy %s is not understood by this version of gatehouse: %w", r.Target.Version, err)
	}
	r.Target.Version = compiled.Version // an earlier program may have named it otherwise
	return r, nil
}

// versionOfFile is empty for what is no policy, for whatever reason.
func versionOfFile(config string) string {
	source, err := os.ReadFile(config) //nolint:gosec // the operator's own file
	if err != nil {
		return ""
	}
	compiled, err := policy.Load(config, source)
	if err != nil {
		return ""
	}
	return compiled.Version
}

func choose(kept []KeptPolicy, version, current string) (KeptPolicy, error) {
	for _, k := range kept {
		if version == "" && k.Version != current || version != "" && strings.HasPrefix(k.Version, version) {
			return k, unambiguous(kept, version)
		}
	}
	if version == "" {
		return KeptPolicy{}, fmt.Errorf("there is no earlier policy: %s is the only one that was live", current)
	}
	return KeptPolicy{}, fmt.Errorf("no kept policy has version %q: gatehouse rollback --list shows which there are", version)
}

// unambiguous wants all that begin so to be one version.
func unambiguous(kept []KeptPolicy, version string) error {
	found := map[string]bool{}
	for _, k := range kept {
		if strings.HasPrefix(k.Version, version) {
			found[k.Version] = true
		}
	}
	if version != "" && len(found) > 1 {
		return fmt.Errorf("%d kept policies have a version that begins with %q: write more of it", len(found), version)
	}
	return nil
}

// Source is the text of the policy to go back to.
func (r *Rollback) Source() []byte { return r.source }

// Config is the file that Apply replaces.
func (r *Rollback) Config() string { return r.config }

// Apply replaces the policy file at once and whole, with the same owner and
// mode, and returns where the replaced one is kept: beside it. If it fails, the
// file is as it was.
func (r *Rollback) Apply(now time.Time) (replaced string, err error) {
	info, before, err := r.replacedFile()
	if err != nil {
		return "", err
	}
	if before != nil {
		replaced = besides(r.config, now)
		if err := writeNew(replaced, before, info); err != nil {
			return "", fmt.Errorf("keep the replaced policy file: %w", err)
		}
	}
	fresh := filepath.Join(filepath.Dir(r.config), "."+filepath.Base(r.config)+"."+now.UTC().Format(historyStamp)+".new")
	if err := writeNew(fresh, r.source, info); err != nil {
		return "", fmt.Errorf("write the policy file: %w", err)
	}
	if err := os.Rename(fresh, r.config); err != nil {
		return "", errors.Join(fmt.Errorf("replace the policy file: %w: a file that is mounted by itself cannot be replaced; "+
			"use --print and write into it", err), os.Remove(fresh))
	}
	return replaced, syncFolder(filepath.Dir(r.config))
}

// replacedFile is what stands where the policy goes; the kept policy's own file
// says owner and mode if nothing does.
func (r *Rollback) replacedFile() (fs.FileInfo, []byte, error) {
	info, err := os.Stat(r.config)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(r.Target.path)
		return info, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the policy file: %w", err)
	}
	before, err := os.ReadFile(r.config)
	if err != nil {
		return nil, nil, fmt.Errorf("the policy file: %w", err)
	}
	if before == nil {
		before = []byte{}
	}
	return info, before, nil
}

// besides is gatehouse.replaced-20260102T030405.000Z.yaml for gatehouse.yaml.
func besides(config string, now time.Time) string {
	ext := filepath.Ext(config)
	return strings.TrimSuffix(config, ext) + ".replaced-" + now.UTC().Format(historyStamp) + ext
}

// writeNew writes a file that is not there yet, onto the disk, as like's owner
// would have.
func writeNew(path string, data []byte, like fs.FileInfo) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, like.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = cmp.Or(err, file.Chmod(like.Mode().Perm()), keepOwner(file, like), file.Sync())
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// keepOwner lets control go on reading a file that somebody else replaces.
func keepOwner(file *os.File, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok || int(want.Uid) == os.Geteuid() && int(want.Gid) == os.Getegid() {
		return nil
	}
	return file.Chown(int(want.Uid), int(want.Gid))
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir) //nolint:gosec // the policy file's own folder
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
