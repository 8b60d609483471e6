package upload

import (
	"bytes"
	"strings"
	"testing"
)

func TestCodeOfPHPIsToldFromProseHoweverItIsCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"a <?PhP echo 1;": true, "x<<?php\nsystem('id');": true, "<?php $x": true, "<?php @eval($_POST[1]);": true, "<?php // c\nx();": true,
		"<?php /*": true, "<?php" + strings.Repeat(" \n", 300) + "system ('id')": true, "<?php at: x();": true, "<?php A . x();": true,
		"<?php A instanceof B;": true, "<?php A xor x();": true, "<?php \\system('id');": true, "<?php <<<A\n": true, "<?php `id`": true,
		"<?php " + strings.Repeat("a", 80): true, "<?php if(1)": true, "<?php use X;": true, "<?php x;": true, "<?php A?x():1": true,
		"the <?php tag <?php system('id');": true, "<?php <?php x();": true,
		"to begin, write <?php at the top": false, "between <?php and ?>": false, "<?php ?>": false, "<?php": false, "<?php\n": false,
		"<?php ... ?>": false, "<?phpx echo 1;": false, "<?ph p echo 1;": false, "<?xml version='1.0'?>": false, "<<<<<<?ph": false,
		"<?php. The rest": false, "<?php orders come first": false, "if a < b and c <": false,
	} {
		for n := 1; n <= len(text); n++ {
			var f phpText
			found := false
			for rest := []byte(text); len(rest) > 0 && !found; {
				piece := bytes.Clone(rest[:min(n, len(rest))])
				found = f.write(piece)
				clear(piece)
				rest = rest[min(n, len(rest)):]
			}
			if found != want {
				t.Fatalf("%q in pieces of %d: %v", text, n, found)
			}
		}
	}
}
