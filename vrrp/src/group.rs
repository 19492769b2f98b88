//! Sync groups: the members are in the election together, MASTER together, and leave together, so that traffic never
//! enters by one node and leaves by another.

use crate::config::GroupConfig;
use crate::event::Cause;
use crate::router::{Input, Moved, Obstacle, Router, Standing, Turn};
use crate::types::{GroupId, RouterId};

/// Spreads what keeps one member out, and what makes it unfit, over all members.
///
/// An owner is never unfit, and so is no group of which it is a member: it would be deposed by nobody.
pub(crate) fn share(groups: &[GroupConfig], standings: &mut [Standing]) {
    for (id, group) in ids(groups) {
        let members: Vec<usize> = group.members.iter().map(|m| usize::from(m.0)).collect();
        let of = |i: &usize| standings.get(*i);
        let owned = members.iter().filter_map(of).any(|s| s.tracked.is_owner());
        let unfit = members.iter().filter_map(of).find_map(|s| s.unfit).filter(|_| !owned);
        let obstacles = members.iter().filter_map(of).filter_map(|s| s.obstacle);
        // A failure outweighs what has merely not come yet.
        let worst = obstacles.max_by_key(|o| matches!(o, Obstacle::Failed(_)));
        let shared = worst.map(|o| match o {
            Obstacle::Awaits(_) => Obstacle::Awaits(Cause::Group(id)),
            Obstacle::Failed(_) => Obstacle::Failed(Cause::Group(id)),
        });
        for i in members {
            if let Some(standing) = standings.get_mut(i) {
                standing.obstacle = standing.obstacle.or(shared);
                standing.unfit = unfit;
            }
        }
    }
}

/// Lets the members of each group follow the one that moved of its own accord.
pub(crate) fn follow(groups: &[GroupConfig], routers: &mut [Router], turn: &mut Turn<'_>) {
    for (id, group) in ids(groups) {
        let moves: Vec<Moved> = each(routers, &group.members).filter_map(Router::take_move).collect();
        if moves.is_empty() {
            continue;
        }
        let left = moves.contains(&Moved::Left);
        // The others would depose the next MASTER, and take the member along that cannot hold its addresses.
        let hold = each(routers, &group.members).filter_map(|r| r.hold_until).max();
        for router in each(routers, &group.members) {
            router.hold_until = hold;
            router.step(turn, if left { Input::Leave(id) } else { Input::Lead(id) });
            // Having followed is no reason for the others to follow.
            router.take_move();
        }
    }
}

fn each<'a>(routers: &'a mut [Router], members: &[RouterId]) -> impl Iterator<Item = &'a mut Router> {
    routers.iter_mut().filter(|r| members.contains(&r.id()))
}

fn ids(groups: &[GroupConfig]) -> impl Iterator<Item = (GroupId, &GroupConfig)> {
    (0..=u16::MAX).map(GroupId).zip(groups)
}
