package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	set := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return set[name] }
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASecretComesFromItsFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"as it is", plain, plain},
		{"without the line break", plain + "\n", plain},
		{"without a Windows line break", plain + "\r\n", plain},
		{"only the last line break goes", "a\n\n", "a\n"},
		{"space is part of it", " a b ", " a b "},
		{"as large as allowed", strings.Repeat("x", MaxSize), strings.Repeat("x", MaxSize)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, filepath.Join(t.TempDir(), "secret"), test.text, 0o600)
			v, err := Load(env("KEY_FILE", path), "KEY")
			if err != nil || v.RevealString() != test.want {
				t.Errorf("%d bytes, %v", len(v.Reveal()), err)
			}
		})
	}
}

func TestWhatIsRefusedSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) func(string) string {
		return env("KEY_FILE", write(t, filepath.Join(dir, name), text, mode))
	}
	for _, test := range []struct {
		name string
		env  func(string) string
		want string
	}{
		{"a plain variable", env("KEY", plain), "unset KEY"},
		{"a plain variable beside a file", env("KEY", plain, "KEY_FILE", "/x"), "unset KEY"},
		{"nothing", env(), "set KEY_FILE"},
		{"a missing file", env("KEY_FILE", filepath.Join(dir, "missing")), "check KEY_FILE"},
		{"a folder", env("KEY_FILE", dir), "no regular file"},
		{"an empty file", file("empty", "", 0o600), "is empty"},
		{"a blank file", file("blank", " \n\n", 0o600), "is empty"},
		{"a large file", file("large", strings.Repeat("x", MaxSize+1), 0o600), "larger than"},
		{"writable by the group", file("g", plain, 0o620), "chmod 0600"},
		{"writable by all", file("o", plain, 0o602), "chmod 0600"},
		{"readable by all", file("r", plain, 0o644), "chmod 0600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, err := Load(test.env, "KEY")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "KEY") {
				t.Fatalf("%v, want %q in it", err, test.want)
			}
			if strings.Contains(err.Error(), plain) || !v.Empty() {
				t.Errorf("the secret came out: %v", err)
			}
			if errors.Is(err, ErrNotSet) != (test.name == "nothing") {
				t.Errorf("ErrNotSet: %v", err)
			}
		})
	}
}

func TestReadableByTheGroupIsFine(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "secret"), plain, 0o640)
	if _, err := Load(env("KEY_FILE", path), "KEY"); err != nil {
		t.Error(err)
	}
}

func TestAKubernetesMountMayBeReadableByAll(t *testing.T) {
	t.Parallel()
	// As the kubelet lays it out: name -> ..data/name, ..data -> ..<time>.
	dir := t.TempDir()
	write(t, filepath.Join(dir, "..2026_01_02", "key"), plain, 0o644)
	for link, to := range map[string]string{"..data": "..2026_01_02", "key": "..data/key"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	file := File{Name: "KEY", Path: filepath.Join(dir, "key")}
	if v, err := file.Read(); err != nil || v.RevealString() != plain {
		t.Fatal(err)
	}
	t.Run("and is followed when it is swapped", func(t *testing.T) {
		write(t, filepath.Join(dir, "..2026_01_03", "key"), "next", 0o644)
		if err := os.Symlink("..2026_01_03", filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		if v, err := file.Read(); err != nil || v.RevealString() != "next" {
			t.Error(err)
		}
	})
}

func TestDockersMountIsRecognisedByItsPlace(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/run/secrets/key": true, "/var/run/secrets/a/key": true, "/run/secrets/../../home/key": false,
		"/run/secretsx/key": false, "/home/run/secrets/key": false,
	} {
		if got := (File{Path: path}).mounted(); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
