/* The kinds of faults that scenario `faults` counts, as the report calls them. */
#ifndef MESHD_TESTS_MESHSIM_FAULTS_LIST_H
#define MESHD_TESTS_MESHSIM_FAULTS_LIST_H

#define FAULTS_LIST(X)                                                                         \
	X(DELAYED, "delayed")	  /* far beyond the others */                                  \
	X(CORRUPTED, "corrupted") /* a bit of a datagram flipped */                            \
	X(TRUNCATED, "truncated")                                                              \
	X(REPLAYED, "replayed")	    /* later, by somebody who has seen it */                   \
	X(STRAYED, "strayed")	    /* the same, to another node */                            \
	X(CLOGS, "clogs")	    /* a path on which all waits, and comes at the end */      \
	X(PARTITIONS, "partitions") /* the mesh in two */                                      \
	X(ISOLATIONS, "isolations") /* one from all others */                                  \
	X(ONE_WAY_CUTS, "one_way_cuts")                                                        \
	X(UDP_CUTS, "udp_cuts")		/* streams work */                                     \
	X(REBINDINGS, "nat_rebindings") /* of a node behind NAT */                             \
	X(NAT_DROPS, "nat_drops")	/* nothing had gone out to that address */             \
	X(NAT_REFUSALS, "nat_refusals") /* streams to it */                                    \
	X(MOVES, "moves")		/* to another address, and it knows */                 \
	X(MASS_RESTARTS, "mass_restarts")                                                      \
	X(DISKS_LOST, "disks_lost")                                                            \
	X(DISKS_SET_BACK, "disks_set_back")                                                    \
	X(CLOCKS_OFF, "clocks_off")   /* by seconds */                                         \
	X(CLOCKS_STEP, "clocks_step") /* by minutes */                                         \
	X(CLOCKS_DRIFT, "clocks_drift")                                                        \
	X(CLONES, "clones")                                                                    \
	X(JOINS, "joins")                                                                      \
	X(LEAVES, "leaves")                                                                    \
	X(REVOCATIONS, "revocations")                                                          \
	X(GRANTS, "grants") /* of offices, and taken back */                                   \
	X(KEEPS, "keeps")                                                                      \
	X(COMMANDS, "commands") /* invites made and withdrawn, other settings */               \
	X(PUTS, "puts")		/* values, by anybody */                                       \
	X(DELETES, "deletes")                                                                  \
	X(FLOODS, "floods")		  /* by a member, as all of these */                   \
	X(REFLECTIONS, "reflections")	  /* authentic, from an address that is not its own */ \
	X(EQUIVOCATIONS, "equivocations") /* two records of one stamp */                       \
	X(ACCUSATIONS, "accusations")	  /* of members that live */                           \
	X(FALSE_STATEMENTS, "false_statements")                                                \
	X(FALSE_NEWS, "false_news")   /* of addresses seen */                                  \
	X(FALSE_TIMES, "false_times") /* of the clock */                                       \
	X(FUTURE_RECORDS, "future_records")                                                    \
	X(WITHHELD, "withheld")			/* says nothing on streams, and no news */     \
	X(FALSE_SYNCS, "false_syncs")		/* garbage on streams */                       \
	X(UNKNOWN_SECTIONS, "unknown_sections") /* of other versions, as all of these */       \
	X(UNKNOWN_VERSIONS, "unknown_versions")                                                \
	X(UNKNOWN_FRAMES, "unknown_frames") /* on streams */                                   \
	X(UNKNOWN_TYPES, "unknown_types")                                                      \
	X(SEGMENTS, "segments") /* L2: made and deleted */                                     \
	X(ATTACHMENTS, "attachments")                                                          \
	X(HOSTS, "hosts") /* that come, go and wander about */                                 \
	X(FALSE_HOSTS, "false_hosts")

enum fault {
#define X(name, label) FAULT_##name,
	FAULTS_LIST(X)
#undef X
		FAULTS,
};

#endif
