// Command mimetype prints the media type of each file that standard input names,
// one a line, as github.com/gabriel-vasile/mimetype tells it. It is a module of
// its own so that what it needs is in no binary.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/gabriel-vasile/mimetype"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		is, err := mimetype.DetectFile(in.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, "mimetype:", err)
			os.Exit(1)
		}
		fmt.Println(is.String())
	}
}
