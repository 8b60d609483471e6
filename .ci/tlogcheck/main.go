// Command tlogcheck reads a log at a URL with filippo.io/torchwood, a tlog-tiles
// client that is not Gatehouse's: the checkpoint's signature, every tile and every
// entry up to the checkpoint. It is a module of its own so that what it needs is
// in no binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tlogcheck URL KEY")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := check(ctx, os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(n, "entries")
}

func check(ctx context.Context, url, key string) (entries int64, err error) {
	tiles, err := torchwood.NewTileFetcher(url)
	if err != nil {
		return 0, err
	}
	tree, err := head(ctx, tiles, key)
	if err != nil {
		return 0, fmt.Errorf("checkpoint: %w", err)
	}
	client, err := torchwood.NewClient(tiles)
	if err != nil {
		return 0, err
	}
	for entries < tree.N {
		before := entries
		for index, entry := range client.Entries(ctx, tree, entries) { // a partial bundle comes by itself
			if index != entries || len(entry) == 0 {
				return entries, fmt.Errorf("entry %d has %d bytes and the index %d", entries, len(entry), index)
			}
			entries++
		}
		if err := client.Err(); err != nil {
			return entries, err
		}
		if entries == before {
			return entries, errors.New("the log ends before its checkpoint")
		}
	}
	return entries, nil
}

func head(ctx context.Context, tiles *torchwood.TileFetcher, key string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	text, err := tiles.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(signed.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	if checkpoint.Origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("it is of the log %q", checkpoint.Origin)
	}
	return checkpoint.Tree, nil
}
