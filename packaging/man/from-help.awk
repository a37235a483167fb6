# What a program says with --help, as scdoc(5) text. mode: "verb" for `meshctl VERB --help` (usage, text, examples),
# "options" for the list of options alone. The help texts are one line of usage (continued by deeper lines), paragraphs,
# terms that are indented by two blanks with what they mean behind two more, and examples.

function escape(text)
{
	gsub(/\\/, "\\\\", text)
	gsub(/[*_]/, "\\\\&", text)
	return text
}

# `code' in bold.
function markup(text,   out, at)
{
	out = ""
	while ((at = index(text, "`")) > 0) {
		out = out escape(substr(text, 1, at - 1))
		text = substr(text, at + 1)
		at = index(text, "`")
		out = out "*" escape(substr(text, 1, at - 1)) "*"
		text = substr(text, at + 1)
	}
	return out escape(text)
}

# Options and words to type in bold, placeholders underlined.
function usage(text,   out, word)
{
	out = ""
	while (match(text, /--[a-z0-9-]+|-[a-z]( |$)|[A-Z][A-Z0-9]*|[a-z][a-z0-9]*/)) {
		word = substr(text, RSTART, RLENGTH)
		out = out substr(text, 1, RSTART - 1)
		if (word ~ / $/)
			out = out "*" substr(word, 1, RLENGTH - 1) "* "
		else
			out = out (word ~ /^[A-Z]/ ? "_" word "_" : "*" word "*")
		text = substr(text, RSTART + RLENGTH)
	}
	return out text
}

function close_block()
{
	if (block == "example")
		print "```"
	else if (block == "usage")
		print usage(held)
	else if (block == "term")
		print "\t" markup(held)
	if (block != "")
		print ""
	block = held = ""
}

function term(line,   at, behind)
{
	close_block()
	match(line, /[^ ]  +/)
	at = RSTART
	behind = RSTART + RLENGTH
	print usage(substr(line, 1, at))
	held = substr(line, behind)
	block = "term"
}

mode == "options" {
	if (/^  -/)
		term(substr($0, 3))
	else if (block == "term" && /^    /) {
		sub(/^ */, " ")
		held = held $0
	} else
		close_block()
	next
}
/^Usage: / {
	held = substr($0, 8)
	block = "usage"
	next
}
/^$/ {
	if (block == "example")
		held = "\n"
	else
		close_block()
	next
}
/^Examples?[ ,:]/ {
	close_block()
	print markup($0)
	print ""
	print "```"
	block = "example"
	next
}
block == "example" {
	print held substr($0, 3)
	held = ""
	next
}
block == "usage" || (block == "term" && /^    /) {
	sub(/^ */, " ")
	held = held $0
	next
}
/^  [^ ]/ {
	term(substr($0, 3))
	next
}
{
	if (block == "term")
		close_block()
	print markup($0)
	block = "text"
}
END {
	close_block()
}
