package pack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReservedPortsAreFreeAndBelongToOneTest(t *testing.T) {
	taken := map[int]bool{}
	for range 20 {
		p := ReservePorts(t)
		if taken[p.Base()] {
			t.Fatalf("block %d was given twice", p.Base())
		}
		taken[p.Base()] = true
		l, err := net.Listen("tcp4", p.Addr(blockSize-2))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}

func TestAPollEndsWithTheLastError(t *testing.T) {
	last := errors.New("the last error")
	calls := 0
	_, err := poll(3*pollInterval, func(context.Context) error { calls++; return last })
	if !errors.Is(err, last) || calls < 2 {
		t.Fatalf("%d calls, error %v", calls, err)
	}
	if _, err := poll(time.Minute, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessIsStartedStoppedKilledAndStartedAgain(t *testing.T) {
	alive := func(context.Context) error { return nil }
	p := newProcess(t, t.TempDir(), "sleeper", []string{"/bin/sh", "-c", "echo started; sleep 600 & wait"}, nil, alive)
	for _, end := range []func(TB){p.Stop, p.Kill} {
		p.Start(t)
		Eventually(t, 5*time.Second, "the shell has its child", func(context.Context) error {
			if len(Descendants(t, p.Pid())) < 2 {
				return errors.New("not yet")
			}
			return nil
		})
		tree := Descendants(t, p.Pid())
		p.MustRun(t)
		if Gone(tree) == nil {
			t.Error("a running process counts as gone")
		}
		end(t)
		Eventually(t, 5*time.Second, "the whole group has ended", func(context.Context) error { return Gone(tree) })
	}
	if got := strings.Count(p.Log(), "started"); got != 2 {
		t.Errorf("the log has %d starts, want 2", got)
	}
	p.Start(t)
	p.Freeze(t)
	p.Thaw(t)
	p.Signal(t, syscall.SIGKILL)
	if code := p.AwaitExit(t, 5*time.Second); code != -1 {
		t.Errorf("exit code %d of a killed process", code)
	}
}

func TestTheUpstreamTellsAWholeBodyFromABrokenOne(t *testing.T) {
	u := StartUpstream(t, nil)
	t.Run("whole", func(t *testing.T) {
		for _, c := range []*http.Client{HTTP1(), HTTP2()} {
			mark := NewMark()
			echoed := Do(t, c, Request(t, http.MethodPost, u.URL+"/x?y=1", strings.NewReader("abc"), Marked(mark))).Seen(t)
			seen := u.Requests(t, mark)
			const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
			if len(seen) != 1 || !seen[0].Complete || seen[0].SHA256 != sum || seen[0].BodyBytes != 3 || seen[0].Path != "/x?y=1" {
				t.Errorf("saw %+v", seen)
			}
			if echoed.SHA256 != sum || echoed.Host != "shop.example" {
				t.Errorf("echoed %+v", echoed)
			}
			c.CloseIdleConnections()
		}
	})
	t.Run("broken", func(t *testing.T) {
		mark := NewMark()
		conn, err := net.Dial("tcp4", strings.TrimPrefix(u.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+MarkHeader+": "+mark+"\r\nContent-Length: 10\r\n\r\nabc")
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Fatal(err)
		}
		Eventually(t, 5*time.Second, "the request is recorded", func(context.Context) error {
			if len(u.Requests(t, mark)) == 0 {
				return errors.New("not yet")
			}
			return nil
		})
		if seen := u.Requests(t, mark); seen[0].Complete || seen[0].BodyBytes != 3 {
			t.Errorf("saw %+v", seen)
		}
	})
}

func TestALoadCountsWhatCameOfIt(t *testing.T) {
	u := StartUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
		}
		_, _ = io.WriteString(w, `{"request_id":"1"}`)
	}))
	load := StartLoad(t, HTTP1(), 2, time.Millisecond, func() *http.Request {
		return Request(t, http.MethodGet, u.URL+"/gone", nil)
	})
	Eventually(t, 5*time.Second, "ten answers", func(context.Context) error {
		if load.Peek().Total() < 10 {
			return errors.New("not yet")
		}
		return nil
	})
	tally := load.Stop()
	tally.Only(t, http.StatusGone)
	if tally.Total() < 10 || len(tally.RequestIDs) != tally.Total() {
		t.Errorf("%v, %d request ids", tally, len(tally.RequestIDs))
	}
}
